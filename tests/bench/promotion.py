"""Simulated years of weekly retraining, decided by the rule that `validate` uses.

`python -m tests.bench.promotion` writes the table of docs/reference/gates.md. Scores are simulated,
not models: they are binormal, and the two models' scores of a row are correlated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.evaluation import evidence
from pipeline.gate_table import get_gate
from pipeline.settings.deployment import DeploymentSettings
from pipeline.types import FloatArray
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "gates.md"
NAME = "promotion"
YEARS, WEEKS = 1_000, 52
CHAMPION_AUC = 0.8
CORRELATION = 0.8
"""Of the models' scores within a class. The standard deviation of a measured difference in ROC AUC
is then about 0.045 with 13 positive rows, as between real models of one procedure."""
MODEL_STD = 0.01
"""Standard deviation of the true ROC AUC among models of one recipe."""
WORSE = 0.02
SIZES = (250, 1_000)
POSITIVE_RATE = 0.05
GAINS = (-0.05, -0.02, 0.0, 0.02, 0.05, 0.1)
RECIPES = {"own recipe": 1, "another recipe": 2, "six recipes": 6}
"""Number of recipes. With two, every week trains the one that is not the champion's, until it is
promoted; with six, a random one."""


@dataclass
class Years:
    """The state of all simulated years, a row per year.

    Attributes:
        champion: True ROC AUC of the champion.
        own: Recipe of the champion.
        growth: Evidence of each recipe against the champion, as logarithms per bet.
        numbers: Number of each recipe's challenge; 0 if it is not open.
        opened: Number of challenges opened so far.
    """

    champion: FloatArray
    own: Any
    growth: FloatArray
    numbers: Any
    opened: Any


def simulate_years(path: str, rows: int, gain: float, seed: int) -> dict[str, Any]:
    """Simulate YEARS years.

    Args:
        path: One of RECIPES.
        rows: Rows of each week's test split.
        gain: True ROC AUC of the recipes that challenge, minus the first champion's.
        seed: Seed of the simulation.

    Returns:
        The fraction of years in which a model served that is worse than its predecessor by at
        least WORSE, the fraction of years with a promotion, and the weeks until the first
        promotion that half and 90 % of the years need (None if they need more than WEEKS).
    """
    random, recipes = np.random.default_rng(seed), RECIPES[path]
    years = Years(
        champion=np.full(YEARS, CHAMPION_AUC),
        own=np.zeros(YEARS, int),
        growth=np.zeros((YEARS, recipes, evidence.BETS.size)),
        numbers=np.zeros((YEARS, recipes), int),
        opened=np.zeros(YEARS, int),
    )
    served_worse, first = np.zeros(YEARS, bool), np.full(YEARS, WEEKS + 1)
    for week in range(1, WEEKS + 1):
        recipe = np.full(YEARS, recipes - 1)
        if recipes > 2:
            recipe = random.integers(recipes, size=YEARS)
        mean = np.where((recipe == 0) & (recipes > 1), CHAMPION_AUC, CHAMPION_AUC + gain)
        candidate = random.normal(mean, MODEL_STD)
        promoted = _decide(years, recipe, candidate, rows, random)
        served_worse |= promoted & (candidate <= years.champion - WORSE)
        first[promoted] = np.minimum(first[promoted], week)
        years.champion[promoted], years.own[promoted] = candidate[promoted], recipe[promoted]
        years.growth[promoted], years.numbers[promoted] = 0, 0
    weeks = [np.quantile(first, level, method="higher") for level in (0.5, 0.9)]
    return {
        "path": path,
        "rows": rows,
        "gain": gain,
        "served_worse": float(served_worse.mean()),
        "promoted": float((first <= WEEKS).mean()),
        "weeks": [int(number) if number <= WEEKS else None for number in weeks],
    }


def _decide(
    years: Years, recipe: Any, candidate: FloatArray, rows: int, random: np.random.Generator
) -> Any:
    """Add a week's evidence, and return in which years the candidate is promoted."""
    gate, margin = get_gate("min_gain_evidence"), DeploymentSettings().refresh_margin
    assert gate is not None
    every = np.arange(YEARS)
    is_new = years.numbers[every, recipe] == 0
    years.opened += is_new
    years.numbers[every[is_new], recipe[is_new]] = years.opened[is_new]
    differences = draw_differences(candidate, years.champion, rows, random)
    is_own = recipe == years.own
    growth = np.where(
        is_own[:, None],
        evidence.log_growth(differences, margin),
        evidence.log_growth(differences, 0.0),
    )
    years.growth[every, recipe] += growth
    e_values = evidence.e_value(years.growth[every, recipe])
    corrections = np.array([evidence.correction(k) for k in range(1, years.opened.max() + 1)])
    corrected = e_values * corrections[years.numbers[every, recipe] - 1]
    return corrected >= gate.bound


def draw_differences(
    first: FloatArray, second: FloatArray, rows: int, random: np.random.Generator
) -> FloatArray:
    """Draw the differences of units of two models.

    Args:
        first: True ROC AUC of the first model in each year, shape (n_years,).
        second: The same of the second.
        rows: Rows of the test split.
        random: The generator.

    Returns:
        Differences, shape (n_years, n_units).
    """
    units = round(rows * POSITIVE_RATE)
    shape = (first.size, units)
    positives = _draw_scores(random, (*shape, 1))
    negatives = _draw_scores(random, (*shape, rows // units - 1))
    fractions = [
        evidence.rank_correctly(above + _separate(areas)[:, None, None], below)
        for above, below, areas in zip(positives, negatives, (first, second), strict=True)
    ]
    return np.asarray(fractions[0] - fractions[1])


def _draw_scores(random: np.random.Generator, shape: tuple[int, ...]) -> list[Any]:
    """Standard normal scores of two models for the same rows."""
    shared, own = np.float32(np.sqrt(CORRELATION)), np.float32(np.sqrt(1 - CORRELATION))
    common = shared * random.standard_normal(shape, np.float32)
    return [common + own * random.standard_normal(shape, np.float32) for _ in range(2)]


def _separate(areas: FloatArray) -> Any:
    """Distance between the means of the classes at each ROC AUC."""
    quantile = NormalDist().inv_cdf
    distances = [np.sqrt(2) * quantile(float(np.clip(area, 0.01, 0.99))) for area in areas]
    return np.array(distances, np.float32)


def simulate() -> list[dict[str, Any]]:
    """Simulate every path, size and gain."""
    cells = [(path, rows, gain) for path in RECIPES for rows in SIZES for gain in GAINS]
    return [simulate_years(*cell, seed=seed) for seed, cell in enumerate(cells)]


def tabulate(results: list[dict[str, Any]]) -> str:
    """Format the results for the page."""
    return table(
        (
            "trained each week",
            "test rows",
            "true gain",
            f"a model worse by {WORSE:g} serves",
            "promoted",
            "weeks, median",
            "weeks, 90 %",
        ),
        [
            (
                row["path"],
                f"{row['rows']:,}",
                f"{row['gain']:+.2f}",
                f"{row['served_worse']:.1%}",
                f"{row['promoted']:.0%}",
                *(f"> {WEEKS}" if number is None else str(number) for number in row["weeks"]),
            )
            for row in results
        ],
    )


def hash_measured_code() -> str:
    """Hash everything that the results depend on."""
    gate = get_gate("min_gain_evidence")
    assert gate is not None
    files = [Path(__file__), Path(evidence.__file__)]
    return hash_code(files, gate.bound, DeploymentSettings().refresh_margin)


def read_or_simulate() -> list[dict[str, Any]]:
    """Return the stored results, simulated again if the code has changed."""
    results: list[dict[str, Any]] = measure(NAME, NAME, hash_measured_code(), simulate)
    return results


if __name__ == "__main__":
    put(PAGE, NAME, tabulate(read_or_simulate()))
