"""How often the intervals of the expected performance contain what the labels give.

Models learn from 750 rows of a known population, as `train` fits them. Their windows have other
features than these rows, but the same probability of each outcome given the features.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.columns import FEATURES, SAMPLE_EFFECTS
from pipeline.data.synthetic import draw_values
from pipeline.drift.performance import estimate_performance, measure_groups
from pipeline.model.candidates import CANDIDATES, positive_probability
from pipeline.model.families import Candidate
from pipeline.types import FloatArray, IntArray

FAMILIES = ("logistic", "forest")
SHIFTS = (0.0, 0.3, 0.5)
"""How far the mean of each feature moves on average, in standard deviations."""
MODELS, WINDOWS = 25, 8
"""Fitted models per family, and windows per model and shift."""
LEARNED_ROWS, ROWS, FOLDS = 750, 500, 5
METRICS = ("recall", "precision", "positive_rate", "roc_auc")


def draw_rows(rows: int, random: np.random.Generator) -> FloatArray:
    """Draw rows of the sample generator's population, shape (rows, n_features)."""
    return np.column_stack([draw_values(feature, rows, random) for feature in FEATURES])


def true_probability(rows: FloatArray) -> FloatArray:
    """The sample generator's probability of each row."""
    log_odds = np.full(len(rows), INTERCEPT)
    for effect in SAMPLE_EFFECTS:
        index = [feature.name for feature in FEATURES].index(effect.feature)
        values = rows[:, index]
        log_odds += effect.weight * ((values >= effect.low) & (values < effect.high))
    return 1 / (1 + np.exp(-log_odds))  # type: ignore[no-any-return]


INTERCEPT = -6.44
"""About one row in twenty is positive."""


def shifted_rows(shift: float, random: np.random.Generator) -> FloatArray:
    """Draw a window whose rows are weighted by an exponential function of every feature."""
    cloud = draw_rows(20 * ROWS, random)
    standard = (cloud - cloud.mean(axis=0)) / cloud.std(axis=0)
    weights = np.exp(standard @ random.normal(0, shift, len(FEATURES)))
    return cloud[random.choice(len(cloud), ROWS, p=weights / weights.sum())]


def draw_labels(rows: FloatArray, random: np.random.Generator) -> IntArray:
    return (random.random(len(rows)) < true_probability(rows)).astype(np.int64)


def realize(probability: FloatArray, threshold: float, labels: IntArray) -> dict[str, FloatArray]:
    """Measure predictions on labels, as the estimate measures them on probabilities."""
    values, inverse = np.unique(probability, return_inverse=True)
    positive = np.bincount(inverse, labels).astype(float)
    return measure_groups(positive, np.bincount(inverse) - positive, values >= threshold)


def cover(candidate: Candidate, seed: int) -> list[tuple[float, dict[str, bool]]]:
    """For each window of a model: the shift, and whether each interval contains the value."""
    random = np.random.default_rng(seed)
    drawn = draw_rows(LEARNED_ROWS, random)
    rows, labels = drawn.astype(np.float32), draw_labels(drawn, random)
    model = candidate.build_calibrated(seed, FOLDS).fit(rows, labels)
    threshold, learned = float(labels.mean()), positive_probability(model, rows)
    found = []
    for shift in np.repeat(SHIFTS, WINDOWS).tolist():
        window = shifted_rows(shift, random)
        probability = positive_probability(model, window.astype(np.float32))
        expected = estimate_performance(probability, threshold, learned, seed)
        real = realize(probability, threshold, draw_labels(window, random))
        inside = {
            name: bool(interval.low <= real[name] <= interval.high)
            for name, interval in expected.items()
            if np.isfinite(real[name])
        }
        found.append((shift, inside))
    return found


def coverage() -> list[dict[str, Any]]:
    """Return the fraction of windows whose interval contains the realised value."""
    results = []
    for family in FAMILIES:
        candidate = next(one for one in CANDIDATES if one.family == family)
        found = [one for seed in range(MODELS) for one in cover(candidate, seed)]
        for shift in SHIFTS:
            windows = [inside for at, inside in found if at == shift]
            rates = {
                name: float(np.mean([inside[name] for inside in windows if name in inside]))
                for name in METRICS
            }
            results.append(
                {"family": family, "shift": shift, "windows": len(windows), "rates": rates}
            )
    return results
