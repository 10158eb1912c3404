"""Expected performance of a model on rows without labels, from its calibrated probabilities.

A row with the probability p counts as p positive and 1 - p negative rows. The metrics of rows
counted so are what the model reaches on average if its probabilities are right: confidence-based
performance estimation (CBPE).

References: Kivimäki, Białek, Kuberski and Nurminen, Performance Estimation in Binary Classification
Using Calibrated Confidence (arXiv:2505.05295, 2025); NannyML's documentation, "Confidence-based
Performance Estimation". Platt, Probabilistic Outputs for Support Vector Machines (1999), is the
calibration whose error the intervals contain.
"""

from __future__ import annotations

import numpy as np

from pipeline.storage.artifacts.base import Interval
from pipeline.types import BoolArray, FloatArray, IntArray

SAMPLES = 1_000
"""Simulated outcomes per interval."""
MAX_GROUPS = 500
"""Most groups of rows with similar probabilities that the outcomes are simulated for."""
MIN_PROBABILITY = 1e-9
"""Log-odds are those of probabilities between this and its complement."""


def estimate_performance(
    probability: FloatArray, threshold: float, calibrated_on: FloatArray, seed: int
) -> dict[str, Interval]:
    """Estimate the performance of a model on rows without labels.

    A 95 % interval is meant to contain the value that the labels of these rows would give. It
    comes from simulated labels and contains two errors. Labels vary by chance, so each is drawn
    from its row's probability. The calibration was fitted to few positive rows, so the intercept
    and the slope of the log-odds are drawn first, from the normal approximation of their
    maximum-likelihood estimates.

    Args:
        probability: Calibrated probabilities of the positive class, shape (n_rows,).
        threshold: Probability from which the model predicts positive.
        calibrated_on: Probabilities of the rows that the calibration was fitted to, shape (n,).
        seed: Seed of the simulation; equal seeds give equal intervals.

    Returns:
        Recall, precision, positive rate and ROC AUC, each with its interval. A metric that is
        undefined is missing, as the precision if no row is predicted positive.
    """
    values, counts = np.unique(probability, return_counts=True)
    return estimate_from_counts(values, counts, threshold, calibrated_on, seed)


def estimate_from_counts(
    values: FloatArray,
    counts: IntArray,
    threshold: float,
    calibrated_on: FloatArray,
    seed: int,
) -> dict[str, Interval]:
    """Estimate the performance like `estimate_performance`, from counts of the probabilities.

    Args:
        values: Distinct probabilities, ascending, shape (n_distinct,).
        counts: Number of rows with each, shape (n_distinct,).
        threshold: Probability from which the model predicts positive.
        calibrated_on: Probabilities of the rows that the calibration was fitted to, shape (n,).
        seed: Seed of the simulation.
    """
    expected = measure_groups(values * counts, (1 - values) * counts, values >= threshold)
    groups, sizes = _group(values, counts.astype(float), threshold)
    positive = _simulate(groups, sizes, calibrated_on, np.random.default_rng(seed))
    simulated = measure_groups(positive, sizes - positive, groups >= threshold)
    found = {}
    for name, value in expected.items():
        drawn = simulated[name][np.isfinite(simulated[name])]
        if np.isfinite(value):
            low, high = np.quantile(drawn, (0.025, 0.975)) if drawn.size else (0, 1)
            found[name] = Interval(value=float(value), low=float(low), high=float(high))
    return found


def measure_groups(
    positive: FloatArray, negative: FloatArray, is_predicted: BoolArray
) -> dict[str, FloatArray]:
    """Compute the metrics of groups of rows; NaN where a metric is undefined.

    Args:
        positive: Positive rows of each group by ascending probability, shape (..., n_groups).
        negative: Negative rows of each group, the same shape.
        is_predicted: Whether each group is predicted positive, shape (n_groups,).

    Returns:
        Recall, precision, positive rate and ROC AUC, each of shape (...).
    """
    positives, negatives = positive.sum(axis=-1), negative.sum(axis=-1)
    true_positives, false_positives = (
        positive[..., is_predicted].sum(-1),
        negative[..., is_predicted].sum(-1),
    )
    ranked = (positive * (np.cumsum(negative, axis=-1) - negative / 2)).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "recall": true_positives / positives,
            "precision": true_positives / (true_positives + false_positives),
            "positive_rate": positives / (positives + negatives),
            "roc_auc": ranked / (positives * negatives),
        }


def _group(
    values: FloatArray, counts: FloatArray, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return the mean probability and the size of at most MAX_GROUPS groups of similar rows."""
    if values.size <= MAX_GROUPS:
        return values, counts
    quantile = (np.cumsum(counts) - counts) / counts.sum()
    # A group is on one side of the threshold.
    number = (quantile * (MAX_GROUPS - 1)).astype(np.int64) + (values >= threshold)
    _, group = np.unique(number, return_inverse=True)
    sizes = np.bincount(group, counts).astype(float)
    return np.bincount(group, counts * values) / sizes, sizes


def _simulate(
    probability: FloatArray,
    sizes: FloatArray,
    calibrated_on: FloatArray,
    random: np.random.Generator,
) -> FloatArray:
    """Draw the number of positive rows in each group, shape (SAMPLES, n_groups)."""
    log_odds = _log_odds(calibrated_on)
    terms = np.stack([np.ones_like(log_odds), log_odds])
    information = terms * (calibrated_on * (1 - calibrated_on)) @ terms.T
    errors = random.multivariate_normal([0, 0], np.linalg.pinv(information), SAMPLES)
    drawn = _log_odds(probability) * (1 + errors[:, 1:]) + errors[:, :1]
    return random.binomial(sizes.astype(np.int64), 1 / (1 + np.exp(-drawn))).astype(float)


def _log_odds(probability: FloatArray) -> FloatArray:
    inner: FloatArray = np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.log(inner / (1 - inner))
