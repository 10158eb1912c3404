"""How often the drift check finds a planted change, by its kind, its size and the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURES
from pipeline.drift.columns import PREDICTION, Column, compared_columns, feature_columns
from pipeline.drift.counts import count_values
from pipeline.drift.decisions import JOINT, get_weights
from pipeline.drift.joint import compare_jointly
from pipeline.settings import Settings
from tests.bench.drift_simulation import (
    OURS,
    REFERENCES,
    SIZES,
    WINDOWS,
    Array,
    Frame,
    compare_column,
    population,
)

Draw = Callable[[int, float, np.random.Generator], Array]


def shifted(rows: int, effect: float, random: np.random.Generator) -> Array:
    """A number recorded in tenths, moved by `effect` standard deviations."""
    std = 5 / np.sqrt(12)
    return np.round(random.uniform(1, 6, rows) + effect * std, 1)  # type: ignore[no-any-return]


def spread(rows: int, effect: float, random: np.random.Generator) -> Array:
    """The same number with a standard deviation larger by the fraction `effect`."""
    return np.round(3.5 + random.uniform(-2.5, 2.5, rows) * (1 + effect), 1)


def skewed(rows: int, effect: float, random: np.random.Generator) -> Array:
    """A skewed number without steps, like a probability, with `effect` added to its log-odds."""
    log_odds = random.normal(-3, 1, rows) + effect
    return 1 / (1 + np.exp(-log_odds))


def category(*frequencies: float) -> Draw:
    """A category with these frequencies, of which `effect` moves from the largest to the second."""

    def draw(rows: int, effect: float, random: np.random.Generator) -> Array:
        moved = np.array(frequencies)
        first, second = np.argsort(-moved, kind="stable")[:2]
        moved[[first, second]] += [-effect, effect]
        drawn: Array = random.choice(np.arange(float(len(frequencies))), rows, p=moved)
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
    "skewed number, log-odds moved (standard deviations)": (
        Column("a", "number"),
        skewed,
        (0.1, 0.2, 0.3, 0.5),
    ),
    "yes or no, 50 : 50 (rows moved)": (Column("a", "category"), category(0.5, 0.5), MOVES),
    "course, 15 : 85 (rows moved)": (Column("a", "category"), category(0.15, 0.85), MOVES),
    "three categories, 40 : 20 : 40 (rows moved)": (
        Column("a", "category"),
        category(0.4, 0.2, 0.4),
        MOVES,
    ),
    "ten categories of 28 to 1 % (rows moved)": (
        Column("a", "category"),
        category(0.28, 0.2, 0.15, 0.11, 0.08, 0.06, 0.05, 0.04, 0.02, 0.01),
        MOVES,
    ),
    "number with five values (rows moved)": (
        Column("a", "number"),
        category(0.3, 0.25, 0.2, 0.15, 0.1),
        MOVES,
    ),
}


def bound_of(name: str) -> float:
    """Return the p-value below which a decision finds drift if no other decision does."""
    weights = get_weights(compared_columns([PREDICTION], [PREDICTION]))
    return OURS.max_false_positive_rate * weights[name] / sum(weights.values())


def power(windows: int = WINDOWS) -> list[dict[str, Any]]:
    """Return how often a feature's own decision finds a change, if nothing else drifts."""
    bound = bound_of(FEATURES[0].name)
    found = []
    for kind, (column, draw, effects) in KINDS.items():
        for reference in REFERENCES:
            for rows in SIZES:
                rates = []
                for effect in effects:
                    random = np.random.default_rng(2)
                    detected = 0
                    for _ in range(windows):
                        pair = (
                            count_values(draw(reference, 0.0, random)),
                            count_values(draw(rows, effect, random)),
                        )
                        p_value, change = compare_column(column, *pair)
                        detected += change >= OURS.min_effect and p_value < bound
                    rates.append(detected / windows)
                cell = {"kind": kind, "reference": reference, "rows": rows}
                found.append(cell | {"effects": list(effects), "rates": rates})
    return found


CORRELATIONS = ((0.1, -0.1), (0.2, -0.2), (0.3, -0.3), (0.0, -1.0))
"""Correlation of sleep and review in the reference and in the window."""
JOINT_SIZES = ((750, 200), (750, 500), (750, 1_000))
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
    bound = bound_of(JOINT)
    found = []
    for reference, rows in JOINT_SIZES:
        rates = []
        for before, after in CORRELATIONS:
            random = np.random.default_rng(3)
            detected = 0
            for _ in range(JOINT_WINDOWS):
                sides = (
                    pd.DataFrame(correlated(reference, before, random)),
                    pd.DataFrame(correlated(rows, after, random)),
                )
                joint = compare_jointly(*sides, feature_columns(), OURS, Settings().seed)
                detected += joint.effect >= OURS.min_effect and joint.score < bound
            rates.append(detected / JOINT_WINDOWS)
        cell = {"reference": reference, "rows": rows}
        found.append(cell | {"effects": [list(pair) for pair in CORRELATIONS], "rates": rates})
    return found
