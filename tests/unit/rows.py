"""Rows of features over their typical ranges."""

from __future__ import annotations

import numpy as np

from pipeline.columns import FEATURES, Number

_random = np.random.default_rng(0)
ROWS = np.column_stack(
    [
        np.round(_random.uniform(*feature.typical, 400) / feature.step) * feature.step
        if isinstance(feature, Number)
        else _random.choice(list(feature.codes.values()), 400)
        for feature in FEATURES
    ]
)
"""[400, features]"""
