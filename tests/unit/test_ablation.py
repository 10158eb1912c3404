"""What leaving out sensitive features costs."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES
from pipeline.model import candidates
from pipeline.model.ablation import measure_ablations
from pipeline.model.ablation_table import tabulate_ablations
from pipeline.model.candidates import CANDIDATES, make_candidates
from pipeline.model.cross_validation import OuterFold
from pipeline.model.families import Candidate
from pipeline.model.metrics import Predictions
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.training import Ablation
from tests.support.rows import ROWS

COURSE, RELATIONSHIP = (FEATURE_NAMES.index(name) for name in ("course", "relationship"))
SETTINGS = Settings.model_validate({"train": {"lightgbm": True}})
TREE = CANDIDATES[0]
LIGHTGBM = next(
    one for one in make_candidates(FEATURES, SETTINGS.train) if one.family == "lightgbm"
)


def divide(rows: int) -> list[OuterFold]:
    """Two folds of alternate rows; their predictions are not used."""
    unused = Predictions(np.zeros(rows // 2), 0.5)
    return [OuterFold(np.arange(start, rows, 2), "", unused) for start in (0, 1)]


def measure(labels: np.ndarray, sensitive: list[str], candidate: Candidate) -> list[Ablation]:
    data = TrainingData(ROWS.astype(np.float32), labels.astype(np.int64))
    return measure_ablations(data, divide(len(ROWS)), candidate, sensitive, SETTINGS)


@pytest.mark.parametrize(
    "candidate", [CANDIDATES[1], CANDIDATES[3], LIGHTGBM], ids=lambda one: one.name
)
def test_the_cost_is_that_of_the_feature(candidate: Candidate) -> None:
    """If the label is the course, leaving it out costs everything above chance; others nothing."""
    found = measure(ROWS[:, COURSE] == 0, ["course", "relationship"], candidate)
    assert [one.features for one in found] == [
        ["course"],
        ["relationship"],
        ["course", "relationship"],
    ]
    assert [one.roc_auc_cost.value for one in found] == [
        pytest.approx(0.5, abs=0.2),
        pytest.approx(0, abs=0.01),
        pytest.approx(0.5, abs=0.2),
    ]
    assert [one.verdict for one in found] == [
        "ranks worse without",
        "no benefit shown",
        "ranks worse without",
    ]


def test_features_that_replace_each_other() -> None:
    """The label is one of two equal features: only leaving out both costs anything."""
    rows = ROWS.copy()
    rows[:, RELATIONSHIP] = rows[:, COURSE]
    data = TrainingData(rows.astype(np.float32), (rows[:, COURSE] == 0).astype(np.int64))
    found = measure_ablations(data, divide(len(rows)), TREE, ["course", "relationship"], SETTINGS)
    assert [one.roc_auc_cost.value > 0.3 for one in found] == [False, False, True]


def test_the_candidate_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns pairs of features by the number of all features, not of those that are left."""
    monkeypatch.setattr(candidates, "MAX_PAIRED_FEATURES", len(FEATURES) - 1)
    full, reduced = (
        next(one for one in candidates.make_candidates(features) if one.family == "logistic")
        for features in (FEATURES, FEATURES[1:])
    )
    assert reduced.parameters == full.parameters
    assert not full.parameters["pairs"]


def test_no_sensitive_feature() -> None:
    """Nothing is fitted, and leaving out every feature is not tried."""
    labels = ROWS[:, COURSE] == 0
    assert measure(labels, [], TREE) == []
    assert [one.features for one in measure(labels, list(FEATURE_NAMES), TREE)] == [
        [name] for name in FEATURE_NAMES
    ]


def test_rows_of_the_table() -> None:
    """The cost has a sign and an interval, and the verdict is that of the interval."""
    better = Ablation(
        features=["a", "b"], roc_auc_cost=Interval(value=-0.02, low=-0.03, high=-0.01)
    )
    assert tabulate_ablations([better]) == [
        ("a, b", "-0.020 (-0.030 to -0.010)", "ranks better without")
    ]
