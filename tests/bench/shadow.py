"""Measure which pairs of models the gate on shadow traffic refuses.

`python -m tests.bench.shadow` writes the table of docs/reference/gates.md. It keeps the results in
tests/bench/results/shadow.json. The students and the fits are those of label_stability.py: every
model learned from other students, so each pair is an honest candidate and champion.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from pipeline.evaluation.honest_agreement import compare_agreement
from pipeline.model.stability import refit_on_subsets
from pipeline.types import BoolArray
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.label_stability import CANDIDATE, EVALUATED, ROWS, SETTINGS, draw, predict
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "gates.md"
NAME = "shadow"
MODELS = 24
TEST_ROWS = 200
"""Rows that the refits are compared on, as many as the survey's test split."""
LIVE_ROWS = (200, 1_000, 10_000)
DRAWS = 5
"""Draws of live rows per pair."""
FIXED_BOUND = 0.8
"""A bound on the agreement itself, for comparison."""
UNRELATED = 0.5
"""Agreement of labels that have nothing to do with each other."""

Results = list[dict[str, Any]]


def simulate() -> Results:
    """Judge every pair of models on drawn live rows."""
    evaluated = draw(EVALUATED, 1_000_000)
    test = draw(TEST_ROWS, 2_000_000)
    labels, refits = [], []
    for seed in range(MODELS):
        data = draw(ROWS, 1_000 + seed)
        labels.append(predict(data, evaluated))
        models = refit_on_subsets(CANDIDATE, data, SETTINGS, seed).models
        refits.append(np.column_stack([model.predict(test.rows).positive for model in models]))
    random = np.random.default_rng(0)
    results = []
    for rows in LIVE_ROWS:
        agreements, passed, refused = [], [], []
        for first, second in combinations(range(MODELS), 2):
            pair = refits[first], refits[second]
            found = (labels[first] == labels[second]).mean()
            drawn = random.binomial(rows, found, DRAWS) / rows
            agreements.append(drawn)
            passed.append([is_passed(rows, value, pair) for value in drawn])
            refused.append(not is_passed(rows, UNRELATED, pair))
        results.append(
            {
                "rows": rows,
                "agreement": float(np.mean(agreements)),
                "fixed": float((np.array(agreements) >= FIXED_BOUND).mean()),
                "passed": float(np.mean(passed)),
                "refused": float(np.mean(refused)),
            }
        )
    return results


def is_passed(rows: int, agreement: float, refits: tuple[BoolArray, BoolArray]) -> bool:
    """Whether the gate passes a candidate."""
    return compare_agreement(agreement, rows, refits).high >= 0


def read_or_simulate() -> Results:
    """The results; simulated again if the code that they measure has changed."""
    sources = [
        *(
            ROOT / "pipeline" / name
            for name in ("evaluation/honest_agreement.py", "model/stability.py")
        ),
        *(ROOT / "tests" / "bench" / name for name in ("label_stability.py", "shadow.py")),
    ]
    found: Results = measure(NAME, NAME, hash_code(sources, SETTINGS), simulate)
    return found


def tabulate(results: Results) -> str:
    """Format the results as the table of the page."""
    header = (
        *("live rows", "honest pairs agree on", f"pass a bound of {FIXED_BOUND}"),
        *("pass this gate", "unrelated labels are refused"),
    )
    names = ("agreement", "fixed", "passed", "refused")
    rows = ((f"{row['rows']:,}", *(f"{row[name]:.0%}" for name in names)) for row in results)
    return table(header, rows)


if __name__ == "__main__":
    put(PAGE, NAME, tabulate(read_or_simulate()))
