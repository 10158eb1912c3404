"""Measure how often the 95 % intervals of metrics cover the truth.

`python -m tests.bench.coverage` writes the tables of docs/reference/model-quality.md. It keeps
simulated results in tests/bench/results/coverage.json, and repeats a simulation only if the code
that it measures has changed. `python -m tests.bench.coverage test_rows` does only that part.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pipeline.evaluation.metric_titles import get_metric_title
from pipeline.model.metrics import METRICS
from tests.bench import coverage_simulation as simulation
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.coverage_simulation import Results
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "model-quality.md"
MEASURED = ("intervals", "metrics", "samples", "cross_validation")
"""Modules of pipeline/model whose behavior the simulations measure."""
SIMULATED = ("coverage_simulation", "coverage_linear")
KINDS = {"metrics": "", "differences": ", difference"}
REPORTED = ("roc_auc", "balanced_accuracy")
"""Differences of a cross-validation that are reported."""


def hash_measured_code() -> str:
    """Hash the code that the simulations measure."""
    sources = [ROOT / "pipeline" / "model" / f"{name}.py" for name in MEASURED]
    return hash_code([*sources, *(ROOT / "tests" / "bench" / f"{name}.py" for name in SIMULATED)])


def show(found: Sequence[Results], header: Sequence[str]) -> str:
    """A row per metric and per difference, a column per simulation."""
    rows = [
        (
            f"{get_metric_title(name)}{suffix}",
            *(f"{result[kind][name][0]:.1%} ({result[kind][name][1]:.3f})" for result in found),
        )
        for kind, suffix in KINDS.items()
        for name in METRICS
        if kind == "metrics" or "repeats" not in found[0] or name in REPORTED
    ]
    return table(("", *header), rows)


def show_test_rows(found: Sequence[Results]) -> str:
    return show(
        found,
        [
            f"{result['positives']} {'in each' if result['fixed'] else 'on average'}"
            for result in found
        ],
    )


def show_cross_validation(found: Sequence[Results]) -> str:
    return show(
        found,
        [
            f"{result['positives']}{', 4 repetitions' if result['repeats'] > 1 else ''}"
            for result in found
        ],
    )


PARTS: dict[str, tuple[Callable[[], list[Results]], Callable[[Sequence[Results]], str]]] = {
    "test_rows": (simulation.simulate_test_rows, show_test_rows),
    "cross_validation": (simulation.simulate_cross_validation, show_cross_validation),
}
"""Each table of the page: its simulation, and how its results are shown."""


def main(arguments: Sequence[str]) -> None:
    code = hash_measured_code()
    for name in arguments or PARTS:
        simulate, format_results = PARTS[name]
        put(PAGE, name, format_results(measure("coverage", name, code, simulate)))


if __name__ == "__main__":
    main(sys.argv[1:])
