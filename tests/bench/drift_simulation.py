"""Simulated drift checks of rows without drift."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURES, SAMPLE_EFFECTS
from pipeline.data.synthetic import draw_values
from pipeline.drift.columns import PREDICTION, Column, compared_columns, feature_columns
from pipeline.drift.counts import Counts, count_values
from pipeline.drift.decisions import JOINT, adjust_p_values, get_weights
from pipeline.drift.joint import compare_jointly
from pipeline.drift.plan import plan_comparison
from pipeline.settings import Settings
from pipeline.settings.drift import DriftSettings

WINDOWS = 100
REFERENCES = (750, 7_500)
SIZES = (200, 500, 1_000, 1_001, 5_000, 20_000)
OURS = DriftSettings()
EVIDENTLYS = DriftSettings.model_validate(
    {
        "numeric_method": "evidently",
        "categorical_method": "evidently",
        "thresholds": {},
        "min_effect": 0,
        "distance_threshold": 0.1,
    }
)
P_VALUE = 0.05
"""Evidently's threshold."""
SMALL_GAP, LARGE_GAP = 1.2, 3.0
"""Two distribution functions with a scaled distance of 1.2 have a p-value of 0.1, of 3.0 one of
3e-8."""

Array = np.ndarray[Any, np.dtype[np.float64]]
Frame = dict[str, Array]


def population(rows: int, random: np.random.Generator) -> Frame:
    """Draw rows like the sample generator."""
    return {feature.name: draw_values(feature, rows, random) for feature in FEATURES}


def with_prediction(frame: Frame) -> Frame:
    """Add a prediction: the sample generator's effects, and one of age, in steps of 0.01."""
    log_odds = (frame["age"] - 39) / 20 - 3
    for effect in SAMPLE_EFFECTS:
        values = frame[effect.feature]
        log_odds = log_odds + effect.weight * ((values >= effect.low) & (values < effect.high))
    return frame | {PREDICTION: np.round(1 / (1 + np.exp(-log_odds)), 2)}


class Reference:
    """A reference whose values are counted once for many checks."""

    def __init__(self, frame: Frame) -> None:
        self.frame = pd.DataFrame(with_prediction(frame))
        self.columns = compared_columns(self.frame.columns, self.frame.columns)
        self.counts = {
            column.name: count_values(self.frame[column.name].to_numpy()) for column in self.columns
        }
        self.weights = get_weights(self.columns)

    def check(self, rows: Frame) -> float:
        """Return the smallest adjusted p-value whose change is large enough to be drift."""
        current = pd.DataFrame(with_prediction(rows))
        p_values, effects = {}, {}
        for column in self.columns:
            pair = self.counts[column.name], count_values(current[column.name].to_numpy())
            p_values[column.name], effects[column.name] = compare_column(column, *pair)
        # Every check of a model has the same seed, so it draws the same rows of the reference.
        joint = compare_jointly(self.frame, current, feature_columns(), OURS, Settings().seed)
        p_values[JOINT], effects[JOINT] = joint.score, joint.effect
        adjusted = adjust_p_values(p_values, self.weights)
        return min(
            (adjusted[name] for name in adjusted if effects[name] >= OURS.min_effect),
            default=1.0,
        )


def compare_column(column: Column, reference: Counts, current: Counts) -> tuple[float, float]:
    """Return the p-value and the change of a column.

    The exact p-value of two distribution functions is slow. It is not computed if their scaled
    distance shows that it is far above or far below any bound: it is then 1 or 0.
    """
    plan = plan_comparison(column, reference, current, OURS)
    effect = plan.effect(reference, current)
    scaled = effect * math.sqrt(reference.rows * current.rows / (reference.rows + current.rows))
    if plan.kind == "number" and not SMALL_GAP < scaled < LARGE_GAP:
        return float(scaled <= SMALL_GAP), effect
    return plan.score(reference, current), effect


def evidently_fraction(reference: Frame, current: Frame) -> float:
    """Return the fraction of the features that drift by Evidently's methods and thresholds."""
    drifted = []
    for column in feature_columns():
        pair = count_values(reference[column.name]), count_values(current[column.name])
        plan = plan_comparison(column, *pair, EVIDENTLYS)
        bound = P_VALUE if plan.method.statistic == "p-value" else plan.threshold
        drifted.append(plan.method.is_drift(plan.score(*pair), bound))
    return float(np.mean(drifted))


def false_positive_rates(windows: int = WINDOWS) -> list[dict[str, Any]]:
    """Return the fraction of windows without drift that each rule reports, for each size."""
    found = []
    for reference in REFERENCES:
        for size in SIZES:
            random = np.random.default_rng(1)
            verdicts = []
            for _ in range(windows):
                sides = population(reference, random), population(size, random)
                fraction = evidently_fraction(*sides)
                ours = Reference(sides[0]).check(sides[1]) < OURS.max_false_positive_rate
                verdicts.append((ours, fraction >= 0.5, fraction >= 0.2))
            rates = np.mean(verdicts, axis=0).tolist()
            found.append({"reference": reference, "rows": size, "rates": rates})
    return found
