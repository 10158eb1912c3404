"""Measure the drift check: false positives, power, and speed compared with plain Evidently.

`python -m tests.bench.drift` measures all three and writes the tables and the plot of
docs/reference/drift.md; `python -m tests.bench.drift rates` (or power, scale) measures one of them.
`scale` takes minutes, most of them in Evidently.
"""

from __future__ import annotations

import bisect
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURES, Category
from pipeline.data.synthetic import draw_values
from pipeline.drift import evidently_report
from pipeline.drift.columns import Column, feature_columns
from pipeline.drift.comparison import compare_columns
from pipeline.drift.counts import count_values
from pipeline.drift.plan import plan_comparison
from pipeline.drift.report import count_drifted
from pipeline.settings import DriftSettings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "drift.md"
PLOT = ROOT / "docs" / "images" / "drift-false-alarms.svg"

WINDOWS = 200
REFERENCES = (600, 6_000)
SIZES = (100, 200, 500, 1_000, 5_000, 20_000)
ALIKE: dict[str, Any] = {
    "numeric_method": "evidently",
    "categorical_method": "evidently",
    "p_value_threshold": 0.05,
    "min_effect": 0,
    "distance_threshold": 0.1,
}
RULES = {
    "our defaults": DriftSettings(),
    "Evidently's defaults": DriftSettings(**ALIKE, min_drifted_fraction=0.5),
    "Evidently's methods, one feature is enough": DriftSettings(**ALIKE, min_drifted_fraction=0.2),
}
POWER_SIZES = (200, 500, 1_000, 5_000)
POWER = 0.8
"""Fraction of the windows in which a change must be detected."""

Frame = dict[str, np.ndarray[Any, np.dtype[np.float64]]]
Change = Callable[[Frame, float, np.random.Generator], Frame]


def population(rows: int, random: np.random.Generator) -> Frame:
    """Draw rows like the sample generator."""
    return {feature.name: draw_values(feature, rows, random) for feature in FEATURES}


def drifted_features(reference: Frame, current: Frame, settings: DriftSettings) -> list[bool]:
    """Return whether each feature drifted."""
    verdicts = []
    for column in feature_columns():
        pair = count_values(reference[column.name]), count_values(current[column.name])
        plan = plan_comparison(column, *pair, settings)
        verdicts.append(plan.is_drift(plan.score(*pair), plan.effect(*pair)))
    return verdicts


def windows(
    settings: DriftSettings,
    reference: int,
    current: int,
    change: Callable[[Frame], Frame],
    seed: int,
) -> Iterator[bool]:
    """Yield whether the data set drifts, for WINDOWS windows, each with its own reference."""
    random = np.random.default_rng(seed)
    for _ in range(WINDOWS):
        sides = population(reference, random), change(population(current, random))
        yield float(np.mean(drifted_features(*sides, settings))) >= settings.min_drifted_fraction


def drift_rate(
    settings: DriftSettings,
    reference: int,
    current: int,
    change: Callable[[Frame], Frame],
    seed: int,
) -> float:
    """Return the fraction of the windows in which the data set drifts."""
    return sum(windows(settings, reference, current, change, seed)) / WINDOWS


def is_detected(verdicts: Iterable[bool]) -> bool:
    """Return whether the fraction POWER of WINDOWS windows drifts; stop once that is decided."""
    needed = math.ceil(POWER * WINDOWS)
    detected = missed = 0
    for verdict in verdicts:
        detected, missed = detected + verdict, missed + (not verdict)
        if detected >= needed or missed > WINDOWS - needed:
            break
    return detected >= needed


def rates() -> dict[tuple[str, int, int], float]:
    """Return the false positive rate by rule, reference rows and window rows."""
    return {
        (rule, reference, size): drift_rate(settings, reference, size, lambda frame: frame, seed=1)
        for rule, settings in RULES.items()
        for reference in REFERENCES
        for size in SIZES
    }


def rates_table(found: dict[tuple[str, int, int], float]) -> str:
    rows = [
        (f"{reference:,}", f"{size:,}", *(f"{found[rule, reference, size]:.1%}" for rule in RULES))
        for reference in REFERENCES
        for size in SIZES
    ]
    return table(("reference rows", "window rows", *RULES), rows)


def moved(frame: Frame, size: float, random: np.random.Generator) -> Frame:
    """Shift one number by `size` standard deviations."""
    values = frame["review_hours"]
    return frame | {"review_hours": np.round(values + size * values.std(), 1)}


def scaled(frame: Frame, size: float, random: np.random.Generator) -> Frame:
    """Increase every number by the fraction `size`."""
    categories = {feature.name for feature in FEATURES if isinstance(feature, Category)}
    return {
        name: values if name in categories else np.round(values * (1 + size), 1)
        for name, values in frame.items()
    }


def flipped(frame: Frame, size: float, random: np.random.Generator) -> Frame:
    """Flip a category of two values in the fraction `size` of the rows."""
    is_flipped = random.random(len(frame["course"])) < size
    return frame | {"course": np.where(is_flipped, 1 - frame["course"], frame["course"])}


CHANGES: dict[str, tuple[Change, Sequence[float]]] = {
    "one number shifted, in standard deviations": (
        moved,
        tuple(np.round(np.arange(0.02, 0.62, 0.02), 2)),
    ),
    "every number scaled up, in %": (scaled, tuple(np.round(np.arange(0.01, 0.31, 0.01), 2))),
    "one binary category flipped, in % of rows": (
        flipped,
        tuple(np.round(np.arange(0.01, 0.31, 0.01), 2)),
    ),
}


def power() -> dict[tuple[str, int, int], float | None]:
    """Return the smallest change on a grid that the defaults detect with POWER, or None."""
    found = {}
    for name, (change, grid) in CHANGES.items():
        for reference in REFERENCES:
            for size in POWER_SIZES:

                def enough(
                    step: float,
                    change: Change = change,
                    reference: int = reference,
                    size: int = size,
                ) -> bool:
                    random = np.random.default_rng(2)
                    settings = RULES["our defaults"]
                    return is_detected(
                        windows(
                            settings,
                            reference,
                            size,
                            lambda frame: change(frame, step, random),
                            seed=3,
                        )
                    )

                index = bisect.bisect_left(grid, True, key=enough)
                found[name, reference, size] = grid[index] if index < len(grid) else None
    return found


def power_table(found: dict[tuple[str, int, int], float | None]) -> str:
    def shown(name: str, value: float | None) -> str:
        if value is None:
            return f"> {CHANGES[name][1][-1]:.0%}" if "%" in name else f"> {CHANGES[name][1][-1]:g}"
        return f"{value:.0%}" if "%" in name else f"{value:g}"

    rows = [
        (
            f"{reference:,}",
            f"{size:,}",
            *(shown(name, found[name, reference, size]) for name in CHANGES),
        )
        for reference in REFERENCES
        for size in POWER_SIZES
    ]
    return table(("reference rows", "window rows", *CHANGES), rows)


# Many rows


def many(rows: int, columns: int, random: np.random.Generator, shift: float) -> pd.DataFrame:
    """Draw the five survey columns, or a third each of continuous, stepped and categorical ones."""
    if columns == len(FEATURES):
        frame = pd.DataFrame(population(rows, random))
        return frame.assign(review_hours=frame["review_hours"] * (1 + shift))
    data = {}
    for position in range(columns):
        kind, more = divmod(position, columns // 3)
        if kind == 0:
            data[f"number_{position}"] = random.normal(shift * (more % 3), 1 + more, rows)
        elif kind == 1:
            data[f"grid_{position}"] = np.round(random.uniform(3, 8, rows) + shift * (more % 2), 1)
        else:
            weights = np.linspace(1, 1 + 5 * shift * (more % 2), 2 + more)
            data[f"category_{position}"] = random.choice(
                2 + more, rows, p=weights / weights.sum()
            ).astype(float)
    return pd.DataFrame(data)


def get_columns(frame: pd.DataFrame) -> list[Column]:
    if len(frame.columns) == len(FEATURES):
        return feature_columns()
    return [
        Column(name, "category" if name.startswith("category") else "number")
        for name in map(str, frame)
    ]


def child(which: str, folder: Path) -> dict[str, Any]:
    """Run one of the two programs in this process; return times, memory, scores and verdicts."""
    evidently = evidently_report.load()
    reference, current = (
        pd.read_parquet(folder / f"{side}.parquet") for side in ("reference", "current")
    )
    columns = get_columns(reference)
    start, work = time.perf_counter(), time.process_time()
    if which == "ours":
        found = compare_columns(reference, current, columns, DriftSettings(**ALIKE), 1)
        (folder / "ours.html").write_bytes(found.page)
        scores = {name: (column.score, column.drifted) for name, column in found.columns.items()}
        verdict = count_drifted(found.columns, 0.5).fraction >= 0.5
    else:
        kinds = {
            kind: [column.name for column in columns if column.kind == kind]
            for kind in ("number", "category")
        }
        definition = evidently.DataDefinition(
            numerical_columns=kinds["number"], categorical_columns=kinds["category"]
        )
        sides = [evidently.Dataset.from_pandas(frame, definition) for frame in (current, reference)]
        result = evidently.Report([evidently.presets.DataDriftPreset()], include_tests=True).run(
            *sides
        )
        result.save_html(str(folder / "plain.html"))
        metrics = {metric["id"]: metric for metric in result.dict()["metrics"]}
        failed = {
            test["metric_config"]["metric_id"]: test["status"].value == "FAIL"
            for test in result.dict()["tests"]
        }
        by_column = {key: metric for key, metric in metrics.items() if "column" in metric["config"]}
        scores = {
            metric["config"]["column"]: (float(metric["value"]), failed[key])
            for key, metric in by_column.items()
        }
        verdict = next(failed[key] for key in metrics if key not in by_column)
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - work,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "scores": scores,
        "verdict": bool(verdict),
    }


def scale(columns: int, rows: int = 1_000_000) -> dict[str, dict[str, Any]]:
    """Compare our check and plain Evidently on the same files, one after the other."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = "import sys; from tests.bench import drift; drift.make(*sys.argv[1:])"
        subprocess.run(
            [sys.executable, "-c", program, str(rows), str(columns), temporary],
            cwd=ROOT,
            check=True,
        )
        found = {}
        for which in ("ours", "plain"):
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "tests.bench.drift",
                "child",
                which,
                str(folder),
            ]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            found[which] = json.loads(done.stdout)
    return found


def make(rows: str, columns: str, folder: str) -> None:
    """Write both files in a separate process, because a child inherits its parent's peak memory."""
    random = np.random.default_rng(1)
    for side, shift in (("reference", 0.0), ("current", 0.3)):
        many(int(rows), int(columns), random, shift).to_parquet(f"{folder}/{side}.parquet")


def difference(found: dict[str, dict[str, Any]]) -> float:
    """Return the largest difference between two scores; infinity if a verdict differs."""
    ours, plain = found["ours"], found["plain"]
    same = ours["verdict"] == plain["verdict"] and ours["scores"].keys() == plain["scores"].keys()
    same = same and all(
        ours["scores"][name][1] == plain["scores"][name][1] for name in ours["scores"]
    )
    return (
        max(abs(ours["scores"][name][0] - plain["scores"][name][0]) for name in ours["scores"])
        if same
        else float("inf")
    )


def scale_table(found: dict[int, dict[str, dict[str, Any]]]) -> str:
    rows = []
    for columns, ways in found.items():
        for which, title in (
            ("plain", "plain Evidently"),
            ("ours", "ours, with a page from 5,000 rows"),
        ):
            way = ways[which]
            times = ways["plain"]["cpu_seconds"] / way["cpu_seconds"]
            rows.append(
                (
                    f"1,000,000 x {columns}",
                    title,
                    f"{way['seconds']:.1f} s",
                    f"{way['cpu_seconds']:.1f} s",
                    f"{times:.0f} x",
                    f"{way['mebibytes']:,.0f} MiB",
                    f"{sum(verdict for _, verdict in way['scores'].values())} of {columns}",
                )
            )
        rows[-1] = (
            *rows[-1][:-1],
            f"{rows[-1][-1]}; scores differ by at most {difference(ways):.0e}",
        )
    return table(
        (
            "rows x columns",
            "way",
            "wall time",
            "CPU time",
            "faster",
            "peak memory",
            "drifted columns",
        ),
        rows,
    )


# The page


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Format a Markdown table."""
    header = tuple(header)
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(found: dict[tuple[str, int, int], float]) -> None:
    """Plot the false positive rate by window size, with a panel for each reference size."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "drift"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for panel, reference in zip(panels, REFERENCES, strict=True):
        for rule in RULES:
            panel.plot(
                SIZES, [found[rule, reference, size] for size in SIZES], marker="o", label=rule
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


def put(name: str, text: str) -> None:
    """Write a table between its two marks in the page, and print it."""
    page = PAGE.read_text()
    start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}{text}{end}{after}")
    sys.stdout.write(f"{text}\n\n")


def main(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] == "child":
        sys.stdout.write(json.dumps(child(arguments[1], Path(arguments[2]))))
        return
    wanted = arguments or ("rates", "power", "scale")
    if "rates" in wanted:
        found = rates()
        put("rates", rates_table(found))
        plot(found)
    if "power" in wanted:
        put("power", power_table(power()))
    if "scale" in wanted:
        put("scale", scale_table({columns: scale(columns) for columns in (5, 33)}))


if __name__ == "__main__":
    main(sys.argv[1:])
