"""Random rows of features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.columns import FEATURES, LABEL
from pipeline.data.synthetic import draw_values
from pipeline.drift.columns import PREDICTION

_random = np.random.default_rng(0)
ROWS = np.column_stack([draw_values(feature, 400, _random) for feature in FEATURES])
"""Rows over the features' typical ranges, shape (400, n_features)."""


def make_students(rows: int, seed: int, **changes: float) -> pd.DataFrame:
    """Return rows like the survey's, with predictions and labels.

    Args:
        rows: Number of rows.
        seed: Seed of the values.
        **changes: Added to the column of that name.
    """
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.integers(24, 55, rows).astype(float),
            "course": random.choice([0.0, 1.0], rows, p=[0.15, 0.85]),
            "sleep_hours": np.round(random.uniform(3, 8, rows), 1),
            "relationship": random.choice([0, 0.5, 1], rows, p=[0.4, 0.2, 0.4]),
            "review_hours": np.round(random.uniform(1, 6, rows), 1),
            PREDICTION: random.beta(1, 8, rows),
            LABEL.name: (random.random(rows) < 0.05).astype(float),
        }
    )
    return frame.assign(**{name: frame[name] + change for name, change in changes.items()})
