"""Simulated drift checks: how often they report drift, with and without drift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURES, SAMPLE_EFFECTS
from pipeline.data.synthetic import draw_values
from pipeline.drift.columns import PREDICTION, Column, compared_columns, feature_columns
from pipeline.drift.counts import count_values
from pipeline.drift.decisions import JOINT, adjust_p_values, get_weights
from pipeline.drift.joint import compare_jointly
from pipeline.drift.plan import plan_comparison
from pipeline.settings import DriftSettings

WINDOWS = 100
REFERENCES = (600, 6_000)
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
YEARS = {(600, 500): 5, (6_000, 5_000): 1}
"""Simulated years by reference rows and rows of a day."""
DAYS = 365

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


def check(reference: Frame, current: Frame, seed: int) -> bool:
    """Return whether our check finds drift: features, predictions, joint distribution."""
    sides = [pd.DataFrame(with_prediction(side)) for side in (reference, current)]
    columns = compared_columns(*(side.columns for side in sides))
    p_values, effects = {}, {}
    for column in columns:
        pair = (
            count_values(sides[0][column.name].to_numpy()),
            count_values(sides[1][column.name].to_numpy()),
        )
        plan = plan_comparison(column, *pair, OURS)
        p_values[column.name], effects[column.name] = plan.score(*pair), plan.effect(*pair)
    joint = compare_jointly(sides[0], sides[1], feature_columns(), OURS, seed)
    p_values[JOINT], effects[JOINT] = joint.score, joint.effect
    adjusted = adjust_p_values(p_values, get_weights(columns))
    return any(
        adjusted[name] < OURS.max_false_positive_rate and effects[name] >= OURS.min_effect
        for name in adjusted
    )


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
            for seed in range(windows):
                sides = population(reference, random), population(size, random)
                fraction = evidently_fraction(*sides)
                verdicts.append((check(*sides, seed), fraction >= 0.5, fraction >= 0.2))
            rates = np.mean(verdicts, axis=0).tolist()
            found.append({"reference": reference, "rows": size, "rates": rates})
    return found


def year(reference: int, rows: int, seed: int) -> int:
    """Count the false alarms of daily checks with one reference over a year without drift."""
    random = np.random.default_rng(seed)
    base = population(reference, random)
    return sum(check(base, population(rows, random), day) for day in range(DAYS))


def years() -> list[dict[str, Any]]:
    """Return the false alarms of each simulated year, by size."""
    return [
        {"reference": size[0], "rows": size[1], "alarms": [year(*size, seed) for seed in range(n)]}
        for size, n in YEARS.items()
    ]


# Power

Draw = Callable[[int, float, np.random.Generator], Array]


def shifted(rows: int, effect: float, random: np.random.Generator) -> Array:
    """A number recorded in tenths, moved by `effect` standard deviations."""
    std = 5 / np.sqrt(12)
    return np.round(random.uniform(1, 6, rows) + effect * std, 1)  # type: ignore[no-any-return]


def spread(rows: int, effect: float, random: np.random.Generator) -> Array:
    """The same number with a standard deviation larger by the fraction `effect`."""
    return np.round(3.5 + random.uniform(-2.5, 2.5, rows) * (1 + effect), 1)


def category(*shares: float) -> Draw:
    """A category with these shares, of which `effect` moves from the largest to the second."""

    def draw(rows: int, effect: float, random: np.random.Generator) -> Array:
        moved = np.array(shares)
        first, second = np.argsort(-moved, kind="stable")[:2]
        moved[[first, second]] += [-effect, effect]
        drawn: Array = random.choice(np.arange(float(len(shares))), rows, p=moved)
        return drawn

    return draw


MOVES = (0.03, 0.05, 0.1, 0.15)
KINDS: dict[str, tuple[Column, Draw, Sequence[float]]] = {
    "number, moved (standard deviations)": (
        Column("a", "number"),
        shifted,
        (0.1, 0.2, 0.3, 0.5),
    ),
    "number, spread (standard deviation)": (Column("a", "number"), spread, (0.1, 0.2, 0.3, 0.5)),
    "yes or no, 50 : 50 (rows moved)": (Column("a", "category"), category(0.5, 0.5), MOVES),
    "course, 15 : 85 (rows moved)": (Column("a", "category"), category(0.15, 0.85), MOVES),
    "three categories, 40 : 20 : 40 (rows moved)": (
        Column("a", "category"),
        category(0.4, 0.2, 0.4),
        MOVES,
    ),
}


def power(windows: int = WINDOWS) -> list[dict[str, Any]]:
    """Return how often a feature's own decision finds a change, if nothing else drifts."""
    weights = get_weights(compared_columns([PREDICTION], [PREDICTION]))
    bound = OURS.max_false_positive_rate * weights[FEATURES[0].name] / sum(weights.values())
    found = []
    for kind, (column, draw, effects) in KINDS.items():
        for reference in REFERENCES:
            for rows in SIZES:
                rates = []
                for effect in effects:
                    random = np.random.default_rng(2)
                    hits = 0
                    for _ in range(windows):
                        pair = (
                            count_values(draw(reference, 0.0, random)),
                            count_values(draw(rows, effect, random)),
                        )
                        plan = plan_comparison(column, *pair, OURS)
                        enough = plan.effect(*pair) >= plan.min_effect
                        hits += enough and plan.score(*pair) < bound
                    rates.append(hits / windows)
                cell = {"kind": kind, "reference": reference, "rows": rows}
                found.append(cell | {"effects": list(effects), "rates": rates})
    return found


CORRELATIONS = (0.1, 0.2, 0.3)
JOINT_SIZES = ((600, 200), (600, 500), (600, 1_000))
JOINT_WINDOWS = 40


def correlated(rows: int, correlation: float, random: np.random.Generator) -> Frame:
    """Rows in which sleep and review have a rank correlation, with unchanged margins."""
    frame = population(rows, random)
    normal = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], rows)
    names = ("sleep_hours", "review_hours")
    for name, column in zip(names, normal.T, strict=True):
        frame[name] = np.sort(frame[name])[np.argsort(np.argsort(column))]
    return frame


def joint_power() -> list[dict[str, Any]]:
    """Return how often a reversed correlation is found by the joint test's own decision."""
    weights = get_weights(compared_columns([PREDICTION], [PREDICTION]))
    bound = OURS.max_false_positive_rate * weights[JOINT] / sum(weights.values())
    found = []
    for reference, rows in JOINT_SIZES:
        rates = []
        for correlation in CORRELATIONS:
            random = np.random.default_rng(3)
            hits = 0
            for seed in range(JOINT_WINDOWS):
                sides = (
                    pd.DataFrame(correlated(reference, correlation, random)),
                    pd.DataFrame(correlated(rows, -correlation, random)),
                )
                hits += compare_jointly(*sides, feature_columns(), OURS, seed).score < bound
            rates.append(hits / JOINT_WINDOWS)
        cell = {"reference": reference, "rows": rows}
        found.append(cell | {"effects": list(CORRELATIONS), "rates": rates})
    return found
