"""What a model must do beyond its averages: checks that the data dictionary (pipeline/columns.py) states.

Invariance and directional tests are those of Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models with CheckList
(ACL 2020), on tables.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURE_NAMES, FEATURES, Category, Expectation, Number
from pipeline.model.decision import is_positive

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Score = Callable[[Floats], Floats]
"""Rows [rows, features] to probabilities [rows] of the positive label."""

Z = 1.959964
"""Of a 95 % interval."""
MIN_NEGATIVES = 20
"""Groups with fewer negative rows have no share of false alarms to speak of."""


def expected_effect(
    score: Score, rows: Floats, expectations: Sequence[Expectation]
) -> float | None:
    """Mean rise of the probability when a feature goes from its safe to its risky value, the least over the expectations."""
    effects = []
    for expectation in expectations:
        place = FEATURE_NAMES.index(expectation.feature)
        safe, risky = rows.copy(), rows.copy()
        safe[:, place], risky[:, place] = expectation.safe, expectation.risky
        effects.append(float((score(risky) - score(safe)).mean()))
    return min(effects, default=None)


def rounding_flip_rate(score: Score, rows: Floats, threshold: float) -> float:
    """Share of rows whose answer changes when a number moves by 0.4 of its step, and so would be recorded the same."""
    answered = is_positive(score(rows), threshold)
    flipped = np.zeros(len(rows), dtype=bool)
    for place, feature in enumerate(FEATURES):
        if isinstance(feature, Number) and not feature.is_integer:
            for shift in (-0.4 * feature.step, 0.4 * feature.step):
                moved = rows.copy()
                moved[:, place] = np.clip(moved[:, place] + shift, feature.low, feature.high)
                flipped |= is_positive(score(moved), threshold) != answered
    return float(flipped.mean())


def find_groups(rows: Floats) -> dict[str, Mask]:
    """The rows of each group: every category, and the bands of numbers that have any."""
    found: dict[str, Mask] = {}
    for place, feature in enumerate(FEATURES):
        values = rows[:, place]
        if isinstance(feature, Category):
            found |= {
                f"{feature.name} {name}": np.isclose(values, code)
                for name, code in feature.codes.items()
            }
        elif feature.group_edges:
            edges = (-math.inf, *feature.group_edges, math.inf)
            for low, high in itertools.pairwise(edges):
                name = f"under {high:g}" if low == -math.inf else f"from {low:g}"
                found[f"{feature.name} {name}"] = (values >= low) & (values < high)
    return found


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927), which is sound for few trials; `trials` is at least 1."""
    share, spread = hits / trials, Z * Z / trials
    middle = share + spread / 2
    reach = Z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)


def lowest_group_recall(
    found: Mapping[str, Mask], label: NDArray[np.int64], called: Mask, min_positives: int
) -> tuple[float, str] | None:
    """Upper end of the recall's interval in the group where it is least, and that group; None if all have too few positives."""
    ends = []
    for name, mask in found.items():
        positive = mask & (label == 1)
        if positive.sum() >= min_positives:
            ends.append(
                (wilson_interval(int((called & positive).sum()), int(positive.sum()))[1], name)
            )
    return min(ends, default=None)


def group_false_positive_rate_gap(
    found: Mapping[str, Mask], label: NDArray[np.int64], called: Mask
) -> tuple[float, str] | None:
    """Lower end of a group's share of false alarms minus the share of all rows, in the group where it is most, and that group."""
    negative = label == 0
    overall = float((called & negative).sum() / negative.sum())
    gaps = []
    for name, mask in found.items():
        trials = int((mask & negative).sum())
        if trials >= MIN_NEGATIVES:
            gaps.append(
                (wilson_interval(int((mask & called & negative).sum()), trials)[0] - overall, name)
            )
    return max(gaps, default=None)


def calibration_error(label: NDArray[np.int64], probability: Floats, bands: int = 10) -> float:
    """Mean gap between predicted and observed share of positives over bands with the same number of rows.

    Training on balanced classes shifts every probability's log-odds by one constant. That constant is taken out first, so
    that the predicted share of all rows is the observed one (prior shift: Saerens et al., Neural Computation 14, 2002).
    """
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    log_odds = np.log(clipped / (1 - clipped))
    low, high = -30.0, 30.0
    for _ in range(60):
        shift = (low + high) / 2
        shifted = 1 / (1 + np.exp(-(log_odds + shift)))
        low, high = (shift, high) if shifted.mean() < label.mean() else (low, shift)
    order = np.argsort(shifted, kind="stable")
    parts = [part for part in np.array_split(order, bands) if part.size]
    return float(
        sum(abs(shifted[part].mean() - label[part].mean()) * part.size for part in parts)
        / label.size
    )
