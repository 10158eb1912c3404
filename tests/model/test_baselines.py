"""The baselines that a selection is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.baselines import BASE_RATE, LOGISTIC, SHORT_RULE
from pipeline.model.rules import find_best_rule
from pipeline.model.training import TrainingResult
from pipeline.model.training_data import TrainingData
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.training import TrainReport


def test_every_baseline_is_measured_on_the_outer_folds(
    learned: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """The base rate ranks nothing; the rule is the best one of all training rows."""
    metrics = learned.baselines.metrics
    assert set(metrics) == {BASE_RATE, SHORT_RULE, LOGISTIC}
    for name in ("roc_auc", "balanced_accuracy"):
        assert metrics[BASE_RATE][name].value == pytest.approx(0.5)
    for name in (SHORT_RULE, LOGISTIC):
        assert 0.6 < metrics[name]["roc_auc"].value < 1
    train = splits["train"]
    assert learned.baselines.rule == str(find_best_rule(train.rows.astype(float), train.labels))


def test_a_rule_is_as_good_at_ranking_as_at_deciding(learned: TrainingResult) -> None:
    """A prediction of two values has one threshold, so both metrics are equal in every fold."""
    rule = learned.baselines.metrics[SHORT_RULE]
    assert rule["roc_auc"].value == pytest.approx(rule["balanced_accuracy"].value)


def test_the_gain_is_the_difference(learned: TrainingResult) -> None:
    """It is paired: its interval is narrower than those of both would allow."""
    rule, ours = learned.baselines.metrics[SHORT_RULE], learned.cross_validation
    for name, gain in learned.baselines.gains.items():
        assert gain.value == pytest.approx(ours[name].value - rule[name].value)
        assert gain.high - gain.low < np.hypot(
            ours[name].high - ours[name].low, rule[name].high - rule[name].low
        )


@pytest.mark.parametrize(
    ("low", "text"),
    [(0.01, "The selection beats the rule"), (-0.01, "The selection does not beat the rule")],
)
def test_a_selection_that_does_not_beat_the_rule_says_so(low: float, text: str) -> None:
    """What counts is the lower end of the difference in ROC AUC."""
    gain = Interval(value=0.05, low=low, high=0.1)
    report = TrainReport.model_construct(
        rule="age >= 30", gain_over_rule={"roc_auc": gain, "balanced_accuracy": gain}
    )
    assert report.comparison_with_rule.startswith(f"{text} `age >= 30`")
    assert f"ROC AUC +0.050 ({low:+.3f} to +0.100)" in report.comparison_with_rule
