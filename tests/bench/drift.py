"""Measure the drift check: false positives, power, and speed compared with plain Evidently.

`python -m tests.bench.drift` writes the tables and the plot of docs/reference/drift.md. It keeps
simulated results in tests/bench/results/drift.json, and repeats a simulation only if the code that
it measures has changed. `python -m tests.bench.drift years` (or rates, power, joint, quality,
scale) does only that part. `scale` is never kept; it takes minutes, most of them in Evidently.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.settings.drift import DriftSettings
from tests.bench import drift_power, drift_quality, drift_scale, drift_years
from tests.bench import drift_simulation as simulation
from tests.bench.cached import ROOT, hash_code, measure, read_results
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "drift.md"
PLOT = ROOT / "docs" / "images" / "drift-false-alarms.svg"
TITLES = {
    "recall": "recall",
    "precision": "precision",
    "positive_rate": "positive rate",
    "roc_auc": "ROC AUC",
}
RULES = ("our rule", "Evidently's defaults", "Evidently's methods, one feature is enough")
MEASURED = ("columns", "counts", "decisions", "effect", "joint", "methods", "plan")
"""Modules of pipeline/drift whose behavior the simulations of the verdict measure."""
BOUNDS = (0.005, DriftSettings().max_false_positive_rate, 0.001)
"""False positive rates that the table of the years compares."""

Rows = list[dict[str, Any]]


def hash_measured_code(part: str) -> str:
    """Hash the code and the settings that the simulation of a part measures."""
    drift, bench = ROOT / "pipeline" / "drift", ROOT / "tests" / "bench"
    if part == "quality":
        candidates = ROOT / "pipeline" / "model" / "candidates.py"
        return hash_code([drift / "performance.py", candidates, bench / "drift_quality.py"])
    sources = [drift / f"{name}.py" for name in MEASURED]
    own = {"years": "drift_years", "power": "drift_power", "joint": "drift_power"}
    names = {"drift_simulation", own.get(part, "drift_simulation")}
    return hash_code([*sources, *(bench / f"{name}.py" for name in sorted(names))], DriftSettings())


def sizes(row: dict[str, Any]) -> tuple[str, str]:
    return f"{row['reference']:,}", f"{row['rows']:,}"


def rates_table(found: Rows) -> str:
    rows = [(*sizes(row), *(f"{rate:.1%}" for rate in row["rates"])) for row in found]
    return table(("reference rows", "window rows", *RULES), rows)


def years_table(found: Rows) -> str:
    header = (
        "reference rows",
        "rows of a day",
        "years",
        "false positive rate",
        "false alarms of a year: mean",
        "90 % have at most",
        "largest",
    )
    rows = []
    for row in found:
        for bound in BOUNDS:
            counts = drift_years.count_false_positives(row, bound)
            tail = int(np.quantile(counts, 0.9, method="inverted_cdf"))
            numbers = (f"{bound:g}", f"{np.mean(counts):.1f}", str(tail), str(max(counts)))
            rows.append((*sizes(row), str(len(counts)), *numbers))
    return table(header, rows)


def power_table(found: Rows) -> str:
    rows = []
    for kind, (_, _, effects) in drift_power.KINDS.items():
        names = [f"{effect:g}" if "standard" in kind else f"{effect:.0%}" for effect in effects]
        rows.append((f"**{kind}**", "", *(f"**{name}**" for name in names)))
        rows += [
            (*sizes(row), *(f"{rate:.0%}" for rate in row["rates"]))
            for row in found
            if row["kind"] == kind
        ]
    return table(("reference rows", "window rows", *("",) * len(drift_power.MOVES)), rows)


def joint_table(found: Rows) -> str:
    names = (f"{before:g} to {after:g}" for before, after in found[0]["effects"])
    rows = [(*sizes(row), *(f"{rate:.0%}" for rate in row["rates"])) for row in found]
    return table(("reference rows", "window rows", *names), rows)


def quality_table(found: Rows) -> str:
    header = ("model", "features moved (standard deviations)", "windows", *TITLES.values())
    rows = []
    for row in found:
        rates = (f"{row['rates'][name]:.1%}" for name in TITLES)
        rows.append((row["family"], f"{row['shift']:g}", str(row["windows"]), *rates))
    return table(header, rows)


PARTS: dict[str, tuple[Callable[[], Rows], Callable[[Rows], str]]] = {
    "rates": (simulation.false_positive_rates, rates_table),
    "years": (drift_years.years, years_table),
    "power": (drift_power.power, power_table),
    "joint": (drift_power.joint_power, joint_table),
    "quality": (drift_quality.coverage, quality_table),
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
    wanted = arguments or (*PARTS, "scale")
    for name, (simulate, show) in PARTS.items():
        if name in wanted:
            found = measure("drift", name, hash_measured_code(name), simulate)
            put(PAGE, name, show(found))
    if "rates" in wanted:
        plot(read_results("drift")["rates"]["results"])
    if "scale" in wanted:
        found = {columns: drift_scale.scale(columns) for columns in (5, 33)}
        put(PAGE, "scale", drift_scale.scale_table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
