"""Metrics compared with scikit-learn's, and their intervals with published formulas."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from pipeline.model.intervals import Z, student_quantile, wilson_interval
from pipeline.model.metrics import (
    METRICS,
    Predictions,
    compute_metrics,
    get_differences,
    get_intervals,
    paired_differences,
)
from pipeline.model.samples import measure_sample

_random = np.random.default_rng(0)
LABELS = (_random.random(400) < 0.1).astype(np.int64)
TIED = Predictions(np.round(0.3 * LABELS + 0.7 * _random.random(400), 1), 0.5)
"""Informative probabilities of one decimal, so that many are equal."""
NOISE = Predictions(_random.random(400), 0.5)
ROWS = np.arange(LABELS.size)


@pytest.mark.parametrize("predictions", [TIED, NOISE], ids=["tied", "noise"])
def test_the_values_equal_those_of_scikit_learn(predictions: Predictions) -> None:
    """Also with tied probabilities. Every value is within its interval, which has a width."""
    probability, positive = predictions.probability, predictions.positive
    metrics = compute_metrics(LABELS, predictions)
    assert tuple(metrics) == METRICS
    assert {name: metric.value for name, metric in metrics.items()} == pytest.approx(
        {
            "roc_auc": sklearn.metrics.roc_auc_score(LABELS, probability),
            "pr_auc": sklearn.metrics.average_precision_score(LABELS, probability),
            "recall": sklearn.metrics.recall_score(LABELS, positive),
            "precision": sklearn.metrics.precision_score(LABELS, positive),
            "specificity": sklearn.metrics.recall_score(LABELS, positive, pos_label=0),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(LABELS, positive),
            "brier": sklearn.metrics.brier_score_loss(LABELS, probability),
        }
    )
    for metric in metrics.values():
        assert 0 <= metric.low < metric.value < metric.high <= 1


def test_rates_have_wilsons_interval() -> None:
    """Recall among the positive rows, precision among those that are predicted positive."""
    metrics, positive = compute_metrics(LABELS, TIED), LABELS == 1
    for name, successes, trials in (
        ("recall", TIED.positive & positive, positive),
        ("precision", TIED.positive & positive, TIED.positive),
        ("specificity", ~TIED.positive & ~positive, ~positive),
    ):
        expected = wilson_interval(successes.sum(), trials.sum())
        assert (metrics[name].low, metrics[name].high) == pytest.approx(expected)


def test_balanced_accuracy_has_the_margins_of_both_rates() -> None:
    """They add up like standard errors of independent estimates."""
    metrics = compute_metrics(LABELS, TIED)
    recall, specificity = metrics["recall"], metrics["specificity"]
    mean = metrics["balanced_accuracy"]
    below = np.hypot(recall.value - recall.low, specificity.value - specificity.low)
    assert mean.value - mean.low == pytest.approx(below / 2)


def test_a_perfect_model_has_intervals_with_a_width() -> None:
    """No finite number of rows shows that a model makes no mistakes."""
    labels = np.repeat([0, 1], [40, 13])
    metrics = compute_metrics(labels, Predictions(labels.astype(float), 0.5))
    for name in METRICS[:-1]:
        assert metrics[name].value == pytest.approx(1)
        assert 0.5 < metrics[name].low < 0.98
    assert metrics["brier"].value == 0
    assert metrics["brier"].low == pytest.approx(0)
    assert metrics["brier"].high > 0.01


def test_a_model_that_flags_nothing_has_an_unknown_precision() -> None:
    """Its precision is 0 by convention; its recall is 0 with an interval."""
    metrics = compute_metrics(LABELS, Predictions(NOISE.probability, 2.0))
    precision = metrics["precision"]
    assert (precision.value, precision.low, precision.high) == (0, 0, 1)
    assert metrics["recall"].high == pytest.approx(wilson_interval(0, LABELS.sum())[1])


@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "precision", "brier"])
def test_the_influence_of_a_row_is_what_leaving_it_out_changes(name: str) -> None:
    """The jackknife's variance, from one value per left-out row, equals that of the influences."""
    values = []
    for row in ROWS:
        kept = ROWS[row != ROWS]
        without = Predictions(TIED.probability[kept], TIED.threshold)
        values.append(compute_metrics(LABELS[kept], without)[name].value)
    jackknife = np.var(values) * (LABELS.size - 1)
    influence = measure_sample(LABELS, [(ROWS, TIED)])[name].influence
    assert (influence**2).sum() == pytest.approx(jackknife, rel=0.1)


def test_the_difference_of_roc_aucs_has_delongs_variance() -> None:
    """It equals the formula over all pairs of a positive and a negative row."""
    positive = LABELS == 1
    difference = np.zeros((positive.sum(), (~positive).sum()))
    for predictions, sign in ((TIED, 1), (NOISE, -1)):
        pairs = predictions.probability[positive][:, None] - predictions.probability[~positive]
        difference += sign * ((pairs > 0) + 0.5 * (pairs == 0))
    variance = sum(
        difference.mean(axis=axis).var(ddof=1) / difference.shape[1 - axis] for axis in (0, 1)
    )
    found = paired_differences(LABELS, TIED, NOISE)["roc_auc"]
    assert found.value == pytest.approx(difference.mean())
    margin = found.high - found.value
    assert Z * variance**0.5 < margin < 1.05 * Z * variance**0.5


def test_the_difference_of_recalls_has_newcombes_interval() -> None:
    """Of 50 positive rows both find 36, the first finds 12 more and the second 2 others."""
    labels = np.repeat([1, 0], [50, 10])
    first, second = (np.arange(60) < 48).astype(float), (np.arange(60) < 36).astype(float)
    second[48:50] = 1
    found = paired_differences(labels, Predictions(first, 0.5), Predictions(second, 0.5))["recall"]
    correlation = (36 * 0 - 12 * 2) / (48 * 2 * 38 * 12) ** 0.5
    (low, high), (other_low, other_high) = wilson_interval(48, 50), wilson_interval(38, 50)
    below, above = 0.96 - low, other_high - 0.76
    margin = (below**2 - 2 * correlation * below * above + above**2) ** 0.5
    assert found.value == pytest.approx(0.2)
    assert found.value - found.low == pytest.approx(margin)
    below, above = high - 0.96, 0.76 - other_low
    margin = (below**2 - 2 * correlation * below * above + above**2) ** 0.5
    assert found.high - found.value == pytest.approx(margin)


def test_equal_answers_on_few_rows_do_not_prove_equal_models() -> None:
    """The difference of their recalls is 0, and its interval has a width."""
    found = paired_differences(LABELS, TIED, TIED)
    assert all(interval.value == 0 for interval in found.values())
    assert found["recall"].low < 0 < found["recall"].high


def test_a_real_difference_is_significant() -> None:
    """The interval of informative probabilities minus noise excludes zero."""
    gain = paired_differences(LABELS, TIED, NOISE)["roc_auc"]
    assert 0 < gain.low < gain.value < gain.high
    tied, noise = (compute_metrics(LABELS, one)["roc_auc"].value for one in (TIED, NOISE))
    assert gain.value == pytest.approx(tied - noise)


def test_the_least_width_of_average_precision_is_not_widened() -> None:
    """Its interval is that of a rate of the 20 positive rows, if the variance is lower."""
    labels = np.repeat([1, 0], [20, 20])
    probability = np.repeat([0.8, 0.1, 0.2], [18, 2, 20])
    sample = measure_sample(labels, [(np.arange(40), Predictions(probability, 0.5))])
    narrow, wide = (get_intervals([sample], factor)["pr_auc"] for factor in (1.0, 1.25))
    least = wilson_interval(narrow.value * 20, 20, student_quantile(19))
    assert (narrow.low, narrow.high) == (wide.low, wide.high) == pytest.approx(least)


def test_a_larger_variance_widens_every_interval() -> None:
    """The values stay. Repeating a sample changes nothing, because the rows are the same."""
    first, second = (measure_sample(LABELS, [(ROWS, one)]) for one in (TIED, NOISE))
    for narrow, wide in (
        (get_intervals([first]), get_intervals([first], 2.0)),
        (get_differences([first], [second]), get_differences([first], [second], 2.0)),
    ):
        for name in METRICS:
            assert wide[name].value == narrow[name].value
            assert wide[name].high - wide[name].low > narrow[name].high - narrow[name].low
    assert get_intervals([first, first]) == get_intervals([first])
    again = get_differences([first, first], [second, second])
    for name, interval in get_differences([first], [second]).items():
        assert (again[name].low, again[name].high) == pytest.approx((interval.low, interval.high))
