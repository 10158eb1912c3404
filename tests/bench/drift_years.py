"""Simulated years of daily drift checks without drift, all of them with the same reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.drift_simulation import Reference, population

DAYS = 365
YEARS = {(750, 500): 28, (7_500, 5_000): 6}
"""Simulated years by reference rows and rows of a day."""
MAX_KEPT = 0.01
"""Results keep adjusted p-values below this, so that any smaller bound can be evaluated."""


def year(reference: int, rows: int, seed: int) -> list[float]:
    """Return the adjusted p-values below MAX_KEPT of daily checks without drift."""
    random = np.random.default_rng(seed)
    base = Reference(population(reference, random))
    found = (base.check(population(rows, random)) for _ in range(DAYS))
    return sorted(value for value in found if value < MAX_KEPT)


def years() -> list[dict[str, Any]]:
    """Return the smallest adjusted p-values of each simulated year, by size."""
    return [
        {"reference": size[0], "rows": size[1], "years": [year(*size, seed) for seed in range(n)]}
        for size, n in YEARS.items()
    ]


def count_false_positives(row: dict[str, Any], bound: float) -> list[int]:
    """Count the false alarms of each year of a size if `bound` is the false positive rate."""
    return [sum(value < bound for value in one) for one in row["years"]]
