"""How much a model's predictions depend on each feature, for the order of the page's fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serving.http.rows import Matrix
from serving.model.scorers import Scorer

DECIMALS = 6


def compute_importance(
    scorer: Scorer, background: Sequence[Sequence[float]], names: Sequence[str]
) -> dict[str, float]:
    """Compute how much the probability changes when a feature gets the value of another row.

    Each row of the background gets the value of the next one. Unlike a permutation importance that
    is based on the loss, this needs no labels: it measures what the model uses, not whether that
    helps.

    Args:
        scorer: Scores rows, shape (n_rows, n_features).
        background: Rows like the training rows, in a random order, shape
            (n_background, n_features).
        names: Names of the features.

    Returns:
        Mean absolute change of the probability by feature, largest first; empty for fewer than two
        rows.

    Reference: Breiman, Random Forests, Machine Learning 45 (2001), section 10.
    """
    rows: Matrix = np.array(background, np.float32)
    if len(rows) < 2:
        return {}
    usual = scorer(rows)
    changes = {}
    for index, name in enumerate(names):
        changed = rows.copy()
        changed[:, index] = np.roll(rows[:, index], -1)
        changes[name] = round(float(np.abs(scorer(changed) - usual).mean()), DECIMALS)
    return dict(sorted(changes.items(), key=lambda item: -item[1]))
