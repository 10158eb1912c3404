"""Behaviour checks on models that are formulas."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.columns import EXPECTATIONS, FEATURE_NAMES, FEATURES, Number
from pipeline.evaluation import behavioral_checks
from tests.support.rows import ROWS

SLEEP, REVIEW = FEATURE_NAMES.index("sleep_hours"), FEATURE_NAMES.index("review_hours")


def step(rows: behavioral_checks.Floats) -> behavioral_checks.Floats:
    """A model that is sure of who sleeps long or reviews little, as the survey is."""
    return np.where((rows[:, SLEEP] > 6.05) | (rows[:, REVIEW] < 1.95), 0.9, 0.1)


def test_the_known_effects_are_the_least_of_them() -> None:
    """One expectation that the model has the wrong way round is enough for the value to be negative."""
    assert behavioral_checks.expected_effect(step, ROWS, EXPECTATIONS) > 0.1  # type: ignore[operator]  # there are expectations
    assert behavioral_checks.expected_effect(lambda rows: 1 - step(rows), ROWS, EXPECTATIONS) < -0.1  # type: ignore[operator]
    half = behavioral_checks.expected_effect(
        lambda rows: np.where(rows[:, SLEEP] > 6, 0.9, 0.1), ROWS, EXPECTATIONS
    )
    assert half == 0
    assert behavioral_checks.expected_effect(step, ROWS, ()) is None


def test_rounding_flips_counts_answers_that_hang_on_less_than_a_step() -> None:
    """A cut between recorded values flips nobody; a cut on a recorded value flips those who have it."""
    assert behavioral_checks.rounding_flip_rate(step, ROWS, 0.5) == 0
    on_value = behavioral_checks.rounding_flip_rate(
        lambda rows: (rows[:, SLEEP] >= 5.0).astype(float), ROWS, 0.5
    )
    assert on_value == pytest.approx((ROWS[:, SLEEP] == 5.0).mean())


def test_every_row_is_in_one_group_of_each_feature_that_has_groups() -> None:
    """Categories and bands divide the rows: none is left out, none counted twice."""
    found = behavioral_checks.find_groups(ROWS)
    for feature in FEATURES:
        masks = [mask for name, mask in found.items() if name.startswith(feature.name)]
        divided = not isinstance(feature, Number) or bool(feature.group_edges)
        assert (np.sum(masks, axis=0) == 1).all() if divided else not masks


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (3, 5), (15, 50), (50, 50)])
def test_the_interval_of_a_share_is_wilsons(hits: int, trials: int) -> None:
    """Its ends are the shares from which what was seen lies exactly z standard deviations away."""
    for end in behavioral_checks.wilson_interval(hits, trials):
        assert abs(hits / trials - end) == pytest.approx(
            behavioral_checks.Z * (end * (1 - end) / trials) ** 0.5, abs=1e-7
        )


def test_groups_with_too_few_positives_are_not_judged() -> None:
    """Four positives say nothing of a group; five that are all missed do."""
    label = np.zeros(100, dtype=np.int64)
    label[:5] = 1
    called = np.zeros(100, dtype=bool)
    group = {"first": np.arange(100) < 50}
    assert behavioral_checks.lowest_group_recall(group, label, called, 6) is None
    assert behavioral_checks.lowest_group_recall(group, label, called, 5) == (
        behavioral_checks.wilson_interval(0, 5)[1],
        "first",
    )


def test_a_group_that_is_suspected_wholesale_shows() -> None:
    """The gap is the lower end of the group's share of false alarms over all rows' share."""
    label = np.zeros(200, dtype=np.int64)
    called = np.arange(200) < 40
    groups = {
        "suspected": np.arange(200) < 40,
        "spared": np.arange(200) >= 40,
        "tiny": np.arange(200) < 5,
    }
    gap, name = behavioral_checks.group_false_positive_rate_gap(groups, label, called) or (0.0, "")
    assert name == "suspected"
    assert gap == pytest.approx(behavioral_checks.wilson_interval(40, 40)[0] - 0.2)


def test_calibration_does_not_mind_a_shifted_prior_but_minds_a_wrong_shape() -> None:
    """Probabilities of balanced classes are as good as their unbalanced twins; overconfident ones are not."""
    random = np.random.default_rng(0)
    log_odds = random.normal(-3, 1.5, 20_000)
    label = (random.random(20_000) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)

    def error(shift: float, slope: float) -> float:
        return behavioral_checks.calibration_error(
            label, 1 / (1 + np.exp(-(slope * log_odds + shift)))
        )

    assert error(0, 1) < 0.01
    assert error(3, 1) == pytest.approx(error(0, 1), abs=1e-6)
    assert error(0, 4) > 0.03
    assert error(0, -1) > 0.08
