"""The importance of features, by which the page arranges a long form."""

from __future__ import annotations

import numpy as np
import pytest

from serving.http.rows import Matrix
from serving.model.importance import compute_importance

ROWS = [[0.0, 0.0, 7.0], [1.0, 0.5, 8.0], [0.0, 1.0, 9.0]]


def score(matrix: Matrix) -> Matrix:
    """A model of the first two features, of which the second counts less."""
    scored: Matrix = (0.5 * matrix[:, 0] + 0.1 * matrix[:, 1]).astype(np.float32)
    return scored


def test_the_mean_change_by_feature_largest_first() -> None:
    """A feature that the model ignores has no importance."""
    found = compute_importance(score, ROWS, ["unused", "less", "more"][::-1])
    assert list(found) == ["more", "less", "unused"]
    # The first feature changes by 1, 1 and 0, the second by 0.5, 0.5 and 1.
    assert found == pytest.approx({"more": 1 / 3, "less": 0.2 / 3, "unused": 0}, abs=1e-6)


def test_one_row_shows_nothing() -> None:
    assert compute_importance(score, ROWS[:1], ["more", "less", "unused"]) == {}
