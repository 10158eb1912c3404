"""Simulate the power of the gates of `validate` without a closed form.

`python -m tests.bench.gate_power` writes the table of docs/reference/gates.md. It keeps the results
in tests/bench/results/gate_power.json. Labels and predictions are simulated, not models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURE_NAMES, FEATURES
from pipeline.evaluation.groups import (
    GroupRows,
    find_groups,
    find_highest_false_positive_rate,
    find_lowest_recall,
)
from pipeline.evaluation.recalibration import calibration_error
from pipeline.gate_table import RATE_DISTANCE, get_gate
from pipeline.model.intervals import get_variance_factor
from pipeline.settings.deployment import DeploymentSettings
from pipeline.settings.training import TrainSettings
from pipeline.types import BoolArray, FloatArray
from tests.bench import label_stability
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.tables import put, table

GATES = CALIBRATION, GROUP_RECALL, GROUP_GAP = (
    "max_calibration_error",
    "min_group_recall_upper",
    "max_group_false_positive_rate_gap",
)
PAGE = ROOT / "docs" / "reference" / "gates.md"
NAME = "gate power"
DRAWS = 150
SEED = 3
CONFIDENCE = 0.8
STEPS = 6
"""Halvings of the search for the smallest loss."""
TEST_ROWS = ((13, 237), (130, 2_370))
"""Positive and negative rows of a test split: the survey's, and ten times as many."""
TRAINING_ROWS = ((38, 712), (380, 7_120))
"""The same of the rows that groups are measured on."""
SEPARATION = 1.19
"""Of the scores of both classes in standard deviations: ROC AUC 0.80."""
GROUPS = {"course non_stem": "a group of 15 %", "relationship no": "a group of 38 %"}
"""A group of the survey, and its fraction of the rows."""
RECALL, FALSE_POSITIVE_RATE = 0.8, 0.3
"""Rates of the other groups."""

Passes = Callable[[float], float]
"""Fraction of simulated models that pass, by how much they are worse than the bound."""
Distort = Callable[[float, FloatArray], FloatArray]
"""Log-odds that are wrong by an amount, from the right ones."""

DISTORTIONS: dict[str, tuple[Distort, float]] = {
    "probabilities too high": (lambda amount, log_odds: log_odds + amount, 6.0),
    "probabilities too low": (lambda amount, log_odds: log_odds - amount, 6.0),
    "probabilities too extreme": (
        lambda amount, log_odds: log_odds.mean() + (1 + amount) * (log_odds - log_odds.mean()),
        20.0,
    ),
}
"""What is wrong with the probabilities, and the largest amount."""


def simulate() -> list[dict[str, Any]]:
    """Return the power of each gate, one dictionary per row of the table."""
    results = [
        {"gate": CALIBRATION, "fault": fault, "rows": rows}
        | describe(pass_calibration(fault, *rows))
        for fault in DISTORTIONS
        for rows in TEST_ROWS
    ]
    results += [
        {"gate": gate, "fault": fault, "rows": rows} | describe(make_passes(group, *rows))
        for gate, make_passes in (
            (GROUP_RECALL, pass_group_recall),
            (GROUP_GAP, pass_group_gap),
        )
        for group, fault in GROUPS.items()
        for rows in TRAINING_ROWS
    ]
    return results


def describe(passes: Passes) -> dict[str, float | None]:
    """Good refused, bad accepted, and the smallest loss that is found."""
    low, high = 0.0, 2.0
    is_found = passes(high) <= 1 - CONFIDENCE
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if passes(middle) <= 1 - CONFIDENCE else (middle, high)
    return {
        "good_refused": 1 - passes(-RATE_DISTANCE),
        "bad_accepted": passes(RATE_DISTANCE),
        "smallest_loss": high if is_found else None,
    }


def pass_calibration(fault: str, positives: int, negatives: int) -> Passes:
    """Models whose right probabilities are distorted until the error is that of the loss."""
    bound, labels = get_bound(CALIBRATION), np.repeat([1, 0], [positives, negatives])
    rate = positives / labels.size
    distort, largest = DISTORTIONS[fault]
    many = draw_log_odds(np.random.default_rng(0), np.arange(100_000) < 100_000 * rate, rate)

    def measure_error(amount: float) -> float:
        return float(np.abs(_sigmoid(distort(amount, many)) - _sigmoid(many)).mean()) / rate

    def passes(loss: float) -> float:
        low, high = 0.0, largest
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (low, middle) if measure_error(middle) > bound + loss else (middle, high)
        random, passed = np.random.default_rng(SEED), 0
        for _ in range(DRAWS):
            log_odds = distort(high, draw_log_odds(random, labels == 1, rate))
            passed += calibration_error(labels, _sigmoid(log_odds)).low <= bound
        return passed / DRAWS

    return passes


def draw_log_odds(random: np.random.Generator, positive: Any, rate: float) -> FloatArray:
    """Right log-odds of rows whose scores are normal within a class."""
    score = random.normal(SEPARATION * positive, 1)
    log_odds: FloatArray = SEPARATION * (score - SEPARATION / 2) + np.log(rate / (1 - rate))
    return log_odds


def pass_group_recall(group: str, positives: int, negatives: int) -> Passes:
    """Models with a lower recall in one group; a good model has the same recall everywhere."""
    bound = get_bound(GROUP_RECALL)

    def passes(loss: float) -> float:
        inside = max(bound - loss, 0.0)
        found = (
            find_lowest_recall(rows, DeploymentSettings().min_positives)
            for rows in draw_groups(
                group, (positives, negatives), inside, inside if loss < 0 else RECALL
            )
        )
        return float(np.mean([one is None or one.rate.high >= bound for one in found]))

    return passes


def pass_group_gap(group: str, positives: int, negatives: int) -> Passes:
    """Models with a higher false positive rate in one group."""
    bound = get_bound(GROUP_GAP)

    def passes(loss: float) -> float:
        found = (
            find_highest_false_positive_rate(rows)
            for rows in draw_groups(
                group, (positives, negatives), bound + loss, FALSE_POSITIVE_RATE, is_gap=True
            )
        )
        return float(np.mean([one is None or one.rate.low <= bound for one in found]))

    return passes


def draw_groups(
    group: str, rows: tuple[int, int], inside: float, others: float, *, is_gap: bool = False
) -> list[GroupRows]:
    """Draw survey rows of which a fraction is predicted positive, another one in a group.

    Args:
        group: The group.
        rows: Positive and negative rows.
        inside: Rate in the group, or its gap to all rows.
        others: Rate outside the group.
        is_gap: Whether `inside` is the gap.
    """
    random = np.random.default_rng(SEED)
    labels = np.repeat([1, 0], rows)
    drawn = []
    for seed in range(DRAWS):
        groups = draw_masks(labels.size, seed)
        rate = inside
        if is_gap:
            rate = min(others + inside / (1 - groups[group].mean()), 1.0)
        predicted = random.random(labels.size) < np.where(groups[group], rate, others)
        drawn.append(
            GroupRows(
                groups,
                labels,
                predicted.astype(float),
                np.zeros(labels.size),
                "simulated rows",
                get_variance_factor(TrainSettings().folds),
            )
        )
    return drawn


@cache
def draw_masks(rows: int, seed: int) -> dict[str, BoolArray]:
    """The groups of drawn students."""
    values = label_stability.draw(rows, seed).rows
    return find_groups(pd.DataFrame(values, columns=list(FEATURE_NAMES)), FEATURES)


def get_bound(name: str) -> float:
    gate = get_gate(name)
    assert gate is not None
    return gate.bound


def hash_measured_code() -> str:
    """Hash the code that the simulation measures."""
    evaluation, bench = ROOT / "pipeline" / "evaluation", ROOT / "tests" / "bench"
    sources = [
        *(evaluation / f"{name}.py" for name in ("groups", "recalibration")),
        ROOT / "pipeline" / "model" / "intervals.py",
        *(bench / f"{name}.py" for name in ("gate_power", "label_stability")),
    ]
    return hash_code(sources, [get_bound(name) for name in GATES])


def read_or_simulate() -> list[dict[str, Any]]:
    """The results; simulated again if the code that they measure has changed."""
    found: list[dict[str, Any]] = measure("gate_power", NAME, hash_measured_code(), simulate)
    return found


def tabulate(results: list[dict[str, Any]]) -> str:
    """Format the results as the table of the page."""
    header = ("gate", "what is wrong", "positive + negative rows")
    rows = [
        (
            f"`{row['gate']}`",
            row["fault"],
            "{:,} + {:,}".format(*row["rows"]),
            f"{row['good_refused']:.0%}",
            f"{row['bad_accepted']:.0%}",
            "nothing" if row["smallest_loss"] is None else f"-{row['smallest_loss']:.2f}",
        )
        for row in results
    ]
    return table((*header, "good refused", "bad accepted", "found with 80 %"), rows)


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-values)))


if __name__ == "__main__":
    put(PAGE, NAME, tabulate(read_or_simulate()))
