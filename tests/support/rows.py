"""Random rows of features."""

from __future__ import annotations

import numpy as np

from pipeline.columns import FEATURES
from pipeline.data.synthetic import draw_values

_random = np.random.default_rng(0)
ROWS = np.column_stack([draw_values(feature, 400, _random) for feature in FEATURES])
"""Rows over the features' typical ranges, shape (400, n_features)."""
