"""What a model learned from each feature: effect curves, and sentences about surprising ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.columns import FEATURES, SUBJECTS, Category, Expectation, Feature, Number
from pipeline.types import FloatArray

MIN_CHANGE = 0.25
"""A rise or fall is worth a sentence if it is at least this fraction of the mean probability.
Smaller ones are mostly noise of the training rows."""
EDGE = 0.1
"""Fraction of a rise or fall that is cut off at both ends when its range is reported, because it
often begins and ends with a long flat part."""


@dataclass(frozen=True)
class EffectCurve:
    """Probabilities when one feature is set to each of its values in every row.

    Attributes:
        feature: The feature.
        values: Values that it is set to, ascending for a number, shape (n_values,).
        mean: Mean probability over the rows at each value, shape (n_values,).
        low: 10 % quantile over the rows at each value, shape (n_values,).
        high: 90 % quantile over the rows at each value, shape (n_values,).
        rows: The feature's own value in each row, shape (n_rows,).
    """

    feature: Feature
    values: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    rows: FloatArray


def compute_effects(
    score: Callable[[FloatArray], FloatArray], features: FloatArray
) -> list[EffectCurve]:
    """Compute the effect curve of each feature.

    Args:
        score: The model: features, shape (n_rows, n_features) -> probabilities, shape (n_rows,).
        features: The rows to average over, shape (n_rows, n_features).

    Reference: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, Annals of
    Statistics 29 (2001), on partial dependence.
    """
    curves = []
    for index, feature in enumerate(FEATURES):
        values = _get_values(feature)
        scored = []
        for value in values:
            changed = features.copy()
            changed[:, index] = value
            scored.append(score(changed))
        probabilities = np.array(scored)
        low, high = np.quantile(probabilities, (0.1, 0.9), axis=1)
        curves.append(
            EffectCurve(feature, values, probabilities.mean(axis=1), low, high, features[:, index])
        )
    return curves


def describe_surprises(curve: EffectCurve, expectations: Sequence[Expectation]) -> list[str]:
    """Describe what contradicts the known effects of a feature, or has no single direction.

    Args:
        curve: The feature's effect curve.
        expectations: The known effects of all features.

    Returns:
        A sentence or two per surprise; nothing if there is none.
    """
    known = [effect for effect in expectations if effect.feature == curve.feature.name]
    if isinstance(curve.feature, Category):
        return [text for effect in known for text in _describe_category(curve, effect)]
    moves = find_moves(curve.mean, MIN_CHANGE * float(curve.mean.mean()))
    if known:
        return [
            _describe_opposite(curve, curve.feature, move, move == moves[-1], effect)
            for effect in known
            for move in moves
            if (curve.mean[move[1]] > curve.mean[move[0]]) != (effect.risky > effect.safe)
        ]
    if len(moves) < 2:
        return []
    return [
        f"`{curve.feature.name}`: the mean probability has no single direction. It "
        + ", then ".join(_describe_move(curve, curve.feature, move) for move in moves)
        + "."
    ]


def find_moves(values: FloatArray, minimum: float) -> list[tuple[int, int]]:
    """Divide a curve into rises and falls of at least `minimum`.

    Args:
        values: The curve, shape (n,).
        minimum: Smaller changes between two of them are ignored.

    Returns:
        First and last index of each rise or fall, which alternate; nothing if the curve is flat.
    """
    turns = [0]
    low = high = 0
    direction = 0
    for index, value in enumerate(values):
        low = index if value < values[low] else low
        high = index if value > values[high] else high
        if direction >= 0 and values[high] - value >= minimum:
            turns.append(high)
            direction, low = -1, index
            high = index
        elif direction <= 0 and value - values[low] >= minimum:
            turns.append(low)
            direction, high = 1, index
            low = index
    if direction:
        turns.append(high if direction > 0 else low)
    return [
        (start, end)
        for start, end in itertools.pairwise(turns)
        if abs(values[end] - values[start]) >= minimum
    ]


def _trim(curve: EffectCurve, move: tuple[int, int]) -> tuple[int, int]:
    """Cut off the flat ends of a rise or fall."""
    start, end = move
    change = curve.mean[end] - curve.mean[start]
    done = (curve.mean[start : end + 1] - curve.mean[start]) / change
    return start + int(np.flatnonzero(done <= EDGE)[-1]), start + int(
        np.flatnonzero(done >= 1 - EDGE)[0]
    )


def _describe_move(curve: EffectCurve, feature: Number, move: tuple[int, int]) -> str:
    start, end = _trim(curve, move)
    verb = "rises" if curve.mean[end] > curve.mean[start] else "falls"
    return (
        f"{verb} from {curve.mean[start]:.1%} at {_name(feature, curve.values[start])} to "
        f"{curve.mean[end]:.1%} at {_name(feature, curve.values[end])}"
    )


def _describe_opposite(
    curve: EffectCurve, feature: Number, move: tuple[int, int], is_last: bool, effect: Expectation
) -> str:
    start, _ = _trim(curve, move)
    inside = (curve.rows > curve.values[start]) & (is_last | (curve.rows <= curve.values[move[1]]))
    return (
        f"`{feature.name}`: the mean probability {_describe_move(curve, feature, move)}. The known "
        f"effect has the opposite direction: {effect.why}. Of the test rows, {inside.mean():.0%} "
        f"are in this range. Ask somebody who knows these {SUBJECTS} whether this can be true."
    )


def _describe_category(curve: EffectCurve, effect: Expectation) -> list[str]:
    assert isinstance(curve.feature, Category)
    names = curve.feature.names
    mean = dict(zip(curve.values.tolist(), curve.mean.tolist(), strict=True))
    safe, risky = mean[effect.safe], mean[effect.risky]
    if risky > safe:
        return []
    return [
        f"`{curve.feature.name}`: the mean probability is {risky:.1%} for `{names[effect.risky]}` "
        f"and {safe:.1%} for `{names[effect.safe]}`. The known effect has the opposite direction: "
        f"{effect.why}."
    ]


def _name(feature: Number, value: float) -> str:
    decimals = max(0, -int(np.floor(np.log10(feature.step)))) if feature.step < 1 else 0
    return f"{value:.{decimals}f} {feature.unit}"


def _get_values(feature: Feature) -> FloatArray:
    """The values of a category, or up to 100 values over the typical range of a number."""
    if isinstance(feature, Category):
        return np.array(list(feature.codes.values()), dtype=np.float64)
    low, high = feature.typical
    count = min(100, round((high - low) / feature.step) + 1)
    return np.linspace(low, high, count)
