"""Measure which pairs of models the gate on shadow traffic refuses.

`python -m tests.bench.shadow` writes the table of docs/reference/gates.md. It keeps the results in
tests/bench/results/shadow.json. Every model of shadow_models.py learned from other rows, so each
pair is an honest candidate and champion.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from pipeline.evaluation.honest_agreement import compare_agreement
from pipeline.types import BoolArray, FloatArray, IntArray
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.label_stability import SETTINGS
from tests.bench.shadow_models import POPULATIONS, Population, fit_models
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "gates.md"
NAME = "shadow"
LIVE_ROWS = (200, 10_000)
FIXED_BOUND = 0.8
"""A bound on the agreement itself, for comparison."""
CONFIDENCE = 0.8
STEP = 0.01
MEASURED = (
    *("pipeline/evaluation/honest_agreement.py", "pipeline/model/calibration.py"),
    *("pipeline/model/candidates.py", "tests/bench/label_stability.py", "tests/bench/shadow.py"),
    "tests/bench/shadow_models.py",
)

Results = list[dict[str, Any]]


class Pairs(NamedTuple):
    """Pairs of honest models.

    Attributes:
        agreements: Fraction of rows with the same label, shape (n_pairs,).
        unrelated: The same if the labels were unrelated, with as many positive ones.
        fewest: For each number of live rows, the fewest equal labels with which each pair passes.
    """

    agreements: FloatArray
    unrelated: FloatArray
    fewest: dict[int, IntArray]


def simulate() -> Results:
    """Judge every pair of models of each population, by the binomial distribution of live rows."""
    from joblib import Parallel, delayed

    tasks = [(population, seed) for population in POPULATIONS for seed in range(population.groups)]
    judged = Parallel(n_jobs=-1)(delayed(judge_group)(*task) for task in tasks)
    results: Results = []
    for population in POPULATIONS:
        groups = [
            pairs
            for (of, _), pairs in zip(tasks, judged, strict=True)
            if of.name == population.name
        ]
        results.append({"population": population.name} | summarize(groups))
    return results


def judge_group(population: Population, seed: int) -> Pairs:
    """Fit a group of models and judge each two of them."""
    models = fit_models(population, seed)
    pairs = list(combinations(range(len(models.labels)), 2))
    rates = models.labels.mean(axis=1)
    return Pairs(
        np.array([(models.labels[a] == models.labels[b]).mean() for a, b in pairs]),
        np.array([rates[a] * rates[b] + (1 - rates[a]) * (1 - rates[b]) for a, b in pairs]),
        {
            rows: np.array(
                [find_fewest(rows, (models.refits[a], models.refits[b])) for a, b in pairs]
            )
            for rows in LIVE_ROWS
        },
    )


def summarize(groups: list[Pairs]) -> dict[str, Any]:
    """Average over the pairs of all groups."""
    agreements, unrelated = (
        np.concatenate([getattr(group, name) for group in groups])
        for name in ("agreements", "unrelated")
    )
    found: dict[str, Any] = {
        "agreement": float(agreements.mean()),
        "fixed": float((agreements >= FIXED_BOUND).mean()),
    }
    for live_rows in LIVE_ROWS:
        fewest = np.concatenate([group.fewest[live_rows] for group in groups])
        found[str(live_rows)] = {
            "passed": get_pass_rate(fewest, live_rows, agreements),
            "refused": find_refused(fewest, live_rows),
            "unrelated": 1 - get_pass_rate(fewest, live_rows, unrelated),
            "opposite": 1 - get_pass_rate(fewest, live_rows, 1 - agreements),
        }
    return found


def find_fewest(live_rows: int, refits: tuple[BoolArray, BoolArray]) -> int:
    """Return the fewest equal labels of live rows with which the gate passes a candidate."""
    return bisect_left(
        range(live_rows + 1),
        0.0,
        key=lambda equal: compare_agreement(equal / live_rows, live_rows, refits).high,
    )


def find_refused(fewest: IntArray, live_rows: int) -> float:
    """Return the highest agreement with which the gate refuses 80 % of the pairs."""
    steps = (1 - STEP * step for step in range(round(1 / STEP)))
    refused = (at for at in steps if get_pass_rate(fewest, live_rows, at) <= 1 - CONFIDENCE)
    return round(next(refused, 0.0), 2)


def get_pass_rate(fewest: IntArray, live_rows: int, agreement: FloatArray | float) -> float:
    """Mean probability that pairs pass, each with its own agreement or all with the same."""
    from scipy.stats import binom

    return float(binom.sf(fewest - 1, live_rows, agreement).mean())


def read_or_simulate() -> Results:
    """The results; simulated again if the code that they measure has changed."""
    code = hash_code((ROOT / path for path in MEASURED), SETTINGS)
    found: Results = measure(NAME, NAME, code, simulate)
    return found


def tabulate(results: Results) -> str:
    """Format the results as the table of the page."""
    header = ["population", "honest pairs agree on", f"pass a bound of {FIXED_BOUND}"]
    titles = {
        "passed": "honest pairs pass",
        "refused": "80 % are refused at",
        "unrelated": "unrelated labels refused",
        "opposite": "opposite labels refused",
    }
    rows = [
        [
            row["population"],
            *(f"{row[name]:.0%}" for name in ("agreement", "fixed")),
            *(" / ".join(f"{row[str(live)][name]:.0%}" for live in LIVE_ROWS) for name in titles),
        ]
        for row in results
    ]
    return table([*header, *titles.values()], rows)


if __name__ == "__main__":
    put(PAGE, NAME, tabulate(read_or_simulate()))
