"""The power of gates: its closed forms agree with simulated test splits."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation import evidence, pass_probability, power
from pipeline.gate_table import Statistic
from pipeline.model.expected_error import expect_roc_auc_error
from pipeline.model.intervals import Z, average_intervals, rate_interval, roc_auc_interval
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.gates import GateResult
from pipeline.types import FloatArray

POSITIVES, NEGATIVES = 13, 237
"""The test split of the survey."""
ENDS = {Statistic.LOWER: "low", Statistic.POINT: "value", Statistic.UPPER: "high"}


def draw_roc_aucs(auc: float, repeats: int) -> list[Interval]:
    """Intervals of a model's ROC AUC on test splits; scores are exponential, as in power.py."""
    random = np.random.default_rng(1)
    labels = np.repeat([1, 0], [POSITIVES, NEGATIVES])
    scale = np.where(labels == 1, auc / (1 - auc), 1.0)
    return [
        roc_auc_interval(labels, random.exponential(scale, labels.size)) for _ in range(repeats)
    ]


def get_pass_rate(intervals: list[Interval], bound: float, statistic: Statistic) -> float:
    return float(np.mean([getattr(interval, ENDS[statistic]) >= bound for interval in intervals]))


@pytest.mark.parametrize(("truth", "passes"), [(0.6, 0.28), (0.65, 0.5), (0.7, 0.73), (0.8, 0.98)])
def test_the_power_on_13_positives_is_known(truth: float, passes: float) -> None:
    """`min_roc_auc` 0.65 passes a ROC AUC of 0.6 in 28 % of test splits."""
    found = pass_probability.pass_probability(
        truth, 0.65, Statistic.POINT, lambda auc: expect_roc_auc_error(auc, POSITIVES, NEGATIVES)
    )
    assert found == pytest.approx(passes, abs=0.01)


@pytest.mark.parametrize(("truth", "passes"), [(0.5, 0.29), (0.82, 0.98)])
def test_recall_is_binomial(truth: float, passes: float) -> None:
    """`min_recall` 0.6 needs 8 of 13: a recall of 0.5 finds them in 29 % of test splits."""
    found = pass_probability.recall_pass_probability(truth, 0.6, Statistic.POINT, POSITIVES)
    assert found == pytest.approx(passes, abs=0.01)


@pytest.mark.parametrize(
    ("statistic", "bound"),
    [(Statistic.POINT, 0.65), (Statistic.LOWER, 0.5), (Statistic.UPPER, 0.75)],
)
def test_gates_on_roc_auc_agree_with_simulation(statistic: Statistic, bound: float) -> None:
    """Good and bad models pass as often as simulated ones whose intervals are judged."""
    known = power.roc_auc_power(bound, statistic, POSITIVES, NEGATIVES)
    good, bad = draw_roc_aucs(bound + 0.1, 400), draw_roc_aucs(max(bound - 0.1, 0.5), 400)
    assert 1 - known.refuse_good == pytest.approx(get_pass_rate(good, bound, statistic), abs=0.08)
    assert known.accept_bad == pytest.approx(get_pass_rate(bad, bound, statistic), abs=0.08)


@pytest.mark.parametrize("statistic", list(ENDS))
def test_gates_on_rates_agree_with_simulation(statistic: Statistic) -> None:
    """Recall and balanced accuracy of simulated good and bad models pass as often."""
    random = np.random.default_rng(2)
    for truth, name in ((0.7, "refuse_good"), (0.5, "accept_bad")):
        recalls = [rate_interval(n, POSITIVES) for n in random.binomial(POSITIVES, truth, 500)]
        both = [
            average_intervals(recall, rate_interval(n, NEGATIVES))
            for recall, n in zip(recalls, random.binomial(NEGATIVES, truth, 500), strict=True)
        ]
        for intervals, known in (
            (recalls, power.recall_power(0.6, statistic, POSITIVES)),
            (both, power.balanced_accuracy_power(0.6, statistic, POSITIVES, NEGATIVES)),
        ):
            expected = getattr(known, name)
            passes = 1 - expected if name == "refuse_good" else expected
            assert passes == pytest.approx(get_pass_rate(intervals, 0.6, statistic), abs=0.08)


@pytest.mark.parametrize("units", [60, 400])
def test_evidence_agrees_with_simulation(units: int) -> None:
    """The smallest gain is found in about 80 % of simulated challenges, a bad model never."""
    known = power.evidence_power(20, 1, 0.0, units, 0.2)
    assert known.smallest_gain is not None

    def get_rate(gain: float) -> float:
        draws: FloatArray = np.random.default_rng(3).normal(gain, 0.2, (500, units)).clip(-1, 1)
        values = evidence.e_value(evidence.log_growth(draws, 0.0)) * evidence.correction(1)
        return float((values >= 20).mean())

    assert get_rate(known.smallest_gain) == pytest.approx(0.8, abs=0.08)
    assert 1 - known.refuse_good == pytest.approx(get_rate(0.05), abs=0.08)
    assert known.accept_bad == get_rate(-0.05) == 0


def test_the_smallest_difference_is_found_with_80_percent() -> None:
    """A gate on an upper end finds a loss of 2.8 standard errors, the others a gain."""
    error = 0.03
    difference = Interval(value=0.1, low=0.1 - Z * error, high=0.1 + Z * error)
    upper = power.difference_power(0, Statistic.UPPER, difference)
    assert upper and upper.smallest_gain is None
    assert upper.smallest_loss == pytest.approx((1.96 + 0.8416) * error, abs=1e-3)
    lower = power.difference_power(0, Statistic.LOWER, difference)
    assert lower and lower.smallest_loss is None
    assert lower.smallest_gain == upper.smallest_loss
    assert power.difference_power(0, Statistic.UPPER, Interval(value=0, low=0, high=0)) is None


def test_more_rows_never_decide_worse() -> None:
    """Errors and the smallest gain shrink with the number of rows."""
    few, many = (
        power.roc_auc_power(0.65, Statistic.POINT, 13 * factor, 237 * factor) for factor in (1, 20)
    )
    assert many.refuse_good < few.refuse_good and many.accept_bad < few.accept_bad
    assert many.smallest_gain and few.smallest_gain and many.smallest_gain < few.smallest_gain
    assert power.evidence_power(20, 1, 0.0, 4, 0.2).smallest_gain == 1
    assert power.recall_power(0.6, Statistic.POINT, 1_000_000).accept_bad == 0


@pytest.mark.parametrize("bound", [-1.0, 0.0, 1.0, 100.0])
def test_any_bound_has_a_power(bound: float) -> None:
    """A bound is a setting; one that nothing or everything meets is no error."""
    for statistic in ENDS:
        for known in (
            power.roc_auc_power(bound, statistic, POSITIVES, NEGATIVES),
            power.recall_power(bound, statistic, POSITIVES),
            power.balanced_accuracy_power(bound, statistic, POSITIVES, NEGATIVES),
            power.evidence_power(bound, 1, 0.0, 13, 0.2),
        ):
            assert 0 <= known.refuse_good <= 1 and 0 <= known.accept_bad <= 1
            if bound == 100:
                assert (known.refuse_good, known.accept_bad) == (1, 0)


def test_json_without_power_is_kept() -> None:
    """Results of earlier releases are read, and written as they were."""
    old = {"name": "min_recall", "bound": 0.6, "reason": "why", "value": 0.8, "passed": True}
    assert GateResult.model_validate(old).model_dump() == old
    known = power.recall_power(0.6, Statistic.POINT, POSITIVES)
    new = GateResult.model_validate(old | {"power": known.model_dump()})
    assert GateResult.model_validate_json(new.to_bytes()).power == known
