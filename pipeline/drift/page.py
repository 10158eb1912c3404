"""The drift page: the report for people, each column's two distributions drawn. One file that asks nothing of any server."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from string import Template
from typing import Any

from pipeline.columns import FEATURES, LABEL, Number
from pipeline.drift.report import DRIFT, PREDICTION, ColumnDrift, Distribution, Report, Summary

METHODS = {
    "ks": "Kolmogorov-Smirnov test",
    "chisquare": "chi-square test",
    "z": "test of two proportions",
    "wasserstein": "Wasserstein distance, in deviations of the reference",
    "jensenshannon": "Jensen-Shannon distance",
}

WIDTH, HEIGHT = 520, 170  # of a drawing, in CSS pixels
LEFT, BOTTOM, TOP = 40, 24, 8  # room for its axes
ROW, BAR = 44, 15  # height of a category's row and of each of its two bars
NAMED = 120  # width of a category's name

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b6475; --line: #d9dee8; --card: #fff; --back: #f4f6fa;
  --reference: #8a94a8; --current: #2563eb; --drift: #b45309; --same: #15803d; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf2; --soft: #a3adbf; --line: #364154; --card: #1a2130; --back: #10151f;
    --current: #60a5fa; --drift: #fbbf24; --same: #4ade80; } }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { margin: 0 0 4px; font-size: 26px; }
h2 { margin: 0; font-size: 17px; }
h3 { margin: 28px 0 12px; font-size: 15px; color: var(--soft); }
p { margin: 4px 0; }
a { color: var(--current); }
.drift { color: var(--drift); }
.same { color: var(--same); }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 16px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; min-width: 0; }
.card header { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
.chip { font-weight: 600; white-space: nowrap; }
svg { width: 100%; height: auto; display: block; margin: 8px 0; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.reference { fill: var(--reference); fill-opacity: .45; }
.current { fill: var(--current); fill-opacity: .18; stroke: var(--current); stroke-width: 2; }
.bar.reference { fill-opacity: .7; }
.bar.current { fill-opacity: .85; stroke: none; }
.axis { stroke: var(--line); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
td, th { text-align: left; padding: 3px 10px 3px 0; border-top: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 400; }
.facts { max-width: 860px; margin-top: 14px; font-size: 14px; }
.key { display: inline-block; width: 12px; height: 12px; margin: 0 6px 0 0; border-radius: 2px; }
.key.r { background: var(--reference); }
.key.c { background: var(--current); margin-left: 16px; }
"""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drift: $verdict</title>
<style>$style</style>
</head>
<body><main>
<h1 class="$tone">$title</h1>
<p>$sentence</p>
<table class="facts">$facts</table>
<h3><span class="key r"></span>what the model learned from<span class="key c"></span>what it sees now</h3>
$sections
<p class="soft">Scores by $computed_by. Evidently's own page: <a href="drift_report.html">drift_report.html</a>$sampled;
all numbers: <a href="drift_report.json">drift_report.json</a>.</p>
</main></body>
</html>
""")


def page(report: Report) -> bytes:
    """The page of a report that has a verdict."""
    cards = sorted(report.features.items(), key=lambda item: not item[1].drifted)
    sections = [
        f'<div class="cards">{"".join(_card(name, column) for name, column in cards)}</div>'
    ]
    others = {PREDICTION: report.prediction, LABEL.name: report.label}
    drawn = "".join(_card(name, column) for name, column in others.items() if column is not None)
    if drawn:
        sections.append(f'<h3>Not part of the verdict</h3><div class="cards">{drawn}</div>')
    return PAGE.substitute(
        style=STYLE,
        verdict=escape(report.verdict),
        title="Drift" if report.verdict == DRIFT else "No drift",
        tone=_tone(report.verdict == DRIFT),
        sentence=escape(report.sentence),
        facts="".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in _facts(report)
        ),
        sections="\n".join(sections),
        computed_by=escape(report.computed_by or ""),
        sampled=f" (drawn from {report.page_sample:,} rows of each side)"
        if report.page_sample
        else "",
    ).encode()


def _tone(drifted: bool) -> str:
    return "drift" if drifted else "same"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "Reference", _source(report.reference)
    yield "Current", _source(report.current)
    model = report.reference.get("model")
    if model:
        yield "Model", f"{model['name']}, version {model['version']}, MLflow run {model['run_id']}"
    if report.retraining:
        yield "Retraining", report.retraining
    yield "Checked", f"{report.created}, run {report.run_id}"


def _source(facts: dict[str, Any]) -> str:
    """Where rows came from, in a line."""
    parts = [f"{facts['rows']:,} rows of {facts['source']}"]
    if "since" in facts:
        parts.append(f"{facts['since']} to {facts['until']}")
    if "object" in facts:
        parts.append(str(facts["object"]))
    if facts.get("versions"):
        parts.append(
            "answered by "
            + ", ".join(f"version {version} ({n:,})" for version, n in facts["versions"].items())
        )
    if facts.get("objects", {}).get("unreadable"):
        parts.append(f"{len(facts['objects']['unreadable'])} unreadable objects left out")
    return "; ".join(parts)


def _card(name: str, column: ColumnDrift) -> str:
    side = "below" if column.statistic == "p-value" else "from"
    how = f"{METHODS[column.method]}: {column.statistic} {column.score:.3g}, drifts {side} {column.threshold:g}"
    title = _titles().get(name, name)
    shape = column.distribution
    drawing = _bars(title, shape) if shape.labels is not None else _histogram(title, shape)
    return (
        f'<section class="card" id="{escape(name)}"><header><h2>{escape(title)} <span class="soft">{escape(name)}</span></h2>'
        f'<span class="chip {_tone(column.drifted)}">{"drifted" if column.drifted else "same"}</span></header>'
        f'<p class="soft">{escape(how)}</p>{drawing}{_table(column)}</section>'
    )


def _titles() -> dict[str, str]:
    """What people call each column, with its unit."""
    titles = {
        item.name: item.description + (f", {item.unit}" if isinstance(item, Number) else "")
        for item in FEATURES
    }
    return titles | {
        PREDICTION: f"Probability of '{LABEL.positive}', as answered",
        LABEL.name: LABEL.description,
    }


def _histogram(title: str, shape: Distribution) -> str:
    """Two step curves over the same bins."""
    assert shape.edges is not None
    top = max(*shape.reference, *shape.current)
    floor, width = HEIGHT - BOTTOM, (WIDTH - LEFT) / len(shape.reference)

    def curve(shares: Sequence[float], kind: str) -> str:
        points: list[tuple[float, float]] = [(LEFT, floor)]
        for place, share in enumerate(shares):
            height = floor - share / top * (floor - TOP)
            points += [(LEFT + place * width, height), (LEFT + (place + 1) * width, height)]
        points.append((WIDTH, floor))
        return (
            f'<polygon class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
        )

    low, high = shape.edges[0], shape.edges[-1]
    marks = []
    for mark in _marks(low, high):
        x = LEFT + (mark - low) / (high - low) * (WIDTH - LEFT)
        anchor = "middle" if x < WIDTH - LEFT else "end"
        marks.append(f'<text x="{x:.0f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{mark:g}</text>')
    return _svg(
        f"{title}: distribution of the reference and of the current rows",
        HEIGHT,
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{top:.0%}</text>'
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{floor}" y2="{floor}"/>'
        f"{curve(shape.reference, 'reference')}{curve(shape.current, 'current')}{''.join(marks)}",
    )


def _marks(low: float, high: float) -> list[float]:
    """Round values within [low, high], 4 to 10 of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= max(factor for factor in (1, 2, 5) if (high - low) / (step * factor) >= 4)
    return [
        round(place * step, 9)
        for place in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]


def _bars(title: str, shape: Distribution) -> str:
    """Two bars for each value."""
    assert shape.labels is not None
    room = WIDTH - NAMED - 50  # for the longest bar; the rest is for its share in figures
    longest = max(*shape.reference, *shape.current)
    drawn = []
    for place, label in enumerate(shape.labels):
        y = place * ROW + 6
        drawn.append(
            f'<text x="{NAMED - 8}" y="{y + BAR + 4}" text-anchor="end">{escape(label)}</text>'
        )
        for offset, kind, share in (
            (0, "reference", shape.reference[place]),
            (BAR + 1, "current", shape.current[place]),
        ):
            length = share / longest * room
            drawn.append(
                f'<rect class="bar {kind}" x="{NAMED}" y="{y + offset}" width="{length:.1f}" height="{BAR}"/>'
            )
            drawn.append(
                f'<text x="{NAMED + length + 6:.1f}" y="{y + offset + 12}">{share:.1%}</text>'
            )
    return _svg(
        f"{title}: shares in the reference and in the current rows",
        len(shape.labels) * ROW,
        "".join(drawn),
    )


def _svg(label: str, height: int, content: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{content}</svg>'


def _table(column: ColumnDrift) -> str:
    """Both summaries of a number; a category's shares stand in its drawing."""
    rows = [("rows", f"{column.reference.rows:,}", f"{column.current.rows:,}")]
    if column.reference.missing or column.current.missing:
        rows.append(("missing", f"{column.reference.missing:,}", f"{column.current.missing:,}"))
    if column.kind == "number":
        rows.append(("mean ± deviation", _moments(column.reference), _moments(column.current)))
        rows.append(
            ("least, quartiles, greatest", _quartiles(column.reference), _quartiles(column.current))
        )
    lines = (
        f"<tr><th>{name}</th><td>{first}</td><td>{second}</td></tr>" for name, first, second in rows
    )
    return f"<table><tr><th></th><th>reference</th><th>current</th></tr>{''.join(lines)}</table>"


def _moments(side: Summary) -> str:
    return f"{side.mean:.4g} ± {side.deviation:.3g}"


def _quartiles(side: Summary) -> str:
    return ", ".join(f"{value:.4g}" for value in side.quartiles or ())
