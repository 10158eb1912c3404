"""Measure the drift check: false positives, power, and speed compared with plain Evidently.

`python -m tests.bench.drift` writes the tables and the plot of docs/reference/drift.md. It keeps
simulated results in tests/bench/results/drift.json, and repeats a simulation only if the code that
it measures has changed. `python -m tests.bench.drift years` (or rates, power, joint, scale) does
only that part. `scale` is never kept; it takes minutes, most of them in Evidently.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.settings import DriftSettings
from tests.bench import drift_scale
from tests.bench import drift_simulation as simulation
from tests.bench.cached import ROOT, hash_code, measure, read_results
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "drift.md"
PLOT = ROOT / "docs" / "images" / "drift-false-alarms.svg"
RULES = ("our rule", "Evidently's defaults", "Evidently's methods, one feature is enough")
MEASURED = ("columns", "counts", "decisions", "effect", "joint", "methods", "plan")
"""Modules of pipeline/drift whose behavior the simulations measure."""

Rows = list[dict[str, Any]]


def hash_measured_code() -> str:
    """Hash the code and the settings that the simulations measure."""
    sources = [ROOT / "pipeline" / "drift" / f"{name}.py" for name in MEASURED]
    return hash_code([*sources, ROOT / "tests/bench/drift_simulation.py"], DriftSettings())


def sizes(row: dict[str, Any]) -> tuple[str, str]:
    return f"{row['reference']:,}", f"{row['rows']:,}"


def rates_table(found: Rows) -> str:
    rows = [(*sizes(row), *(f"{rate:.1%}" for rate in row["rates"])) for row in found]
    return table(("reference rows", "window rows", *RULES), rows)


def years_table(found: Rows) -> str:
    header = ("reference rows", "rows of a day", "years", "false alarms of a year", "mean")
    rows = []
    for row in found:
        alarms = row["alarms"]
        counts = ", ".join(f"{number} in {alarms.count(number)}" for number in sorted(set(alarms)))
        rows.append((*sizes(row), str(len(alarms)), counts, f"{np.mean(alarms):.2f}"))
    return table(header, rows)


def power_table(found: Rows) -> str:
    rows = []
    for kind, (_, _, effects) in simulation.KINDS.items():
        names = [f"{effect:g}" if "standard" in kind else f"{effect:.0%}" for effect in effects]
        rows.append((f"**{kind}**", "", *(f"**{name}**" for name in names)))
        rows += [
            (*sizes(row), *(f"{rate:.0%}" for rate in row["rates"]))
            for row in found
            if row["kind"] == kind
        ]
    return table(("reference rows", "window rows", *("",) * len(simulation.MOVES)), rows)


def joint_table(found: Rows) -> str:
    names = (f"{value:g} to {-value:g}" for value in simulation.CORRELATIONS)
    rows = [(*sizes(row), *(f"{rate:.0%}" for rate in row["rates"])) for row in found]
    return table(("reference rows", "window rows", *names), rows)


PARTS: dict[str, tuple[Callable[[], Rows], Callable[[Rows], str]]] = {
    "rates": (simulation.false_positive_rates, rates_table),
    "years": (simulation.years, years_table),
    "power": (simulation.power, power_table),
    "joint": (simulation.joint_power, joint_table),
}
"""Each table of the page: its simulation, and how its results are shown."""


def plot(found: Rows) -> None:
    """Plot the false positive rate by window size, with a panel for each reference size."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "drift"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for panel, reference in zip(panels, simulation.REFERENCES, strict=True):
        rows = [row for row in found if row["reference"] == reference]
        for index, rule in enumerate(RULES):
            panel.plot(
                [row["rows"] for row in rows],
                [row["rates"][index] for row in rows],
                marker="o",
                label=rule,
            )
        panel.set(
            xscale="log", xlabel="rows in the window", title=f"reference of {reference:,} rows"
        )
        panel.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        panel.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("windows without drift that alarm")
    panels[1].legend(fontsize=8)
    figure.savefig(PLOT, metadata={"Date": None})


def main(arguments: Sequence[str]) -> None:
    code = hash_measured_code()
    wanted = arguments or (*PARTS, "scale")
    for name, (simulate, show) in PARTS.items():
        if name in wanted:
            found = measure("drift", name, code, simulate)
            put(PAGE, name, show(found))
    if "rates" in wanted:
        plot(read_results("drift")["rates"]["results"])
    if "scale" in wanted:
        found = {columns: drift_scale.scale(columns) for columns in (5, 33)}
        put(PAGE, "scale", drift_scale.scale_table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
