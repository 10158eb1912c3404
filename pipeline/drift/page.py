"""The drift page: the report for people, an HTML file that shows every distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pipeline.columns import FEATURES, LABEL, Number
from pipeline.drift.columns import PREDICTION
from pipeline.drift.drawings import draw
from pipeline.drift.methods import METHODS
from pipeline.drift.report import DRIFT, ColumnDrift, Report, Summary
from pipeline.reporting.templates import render
from pipeline.storage.artifacts import DatasetFacts
from pipeline.storage.layout import DRIFT_REPORT, EVIDENTLY_PAGE

TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Card:
    """A column on the page."""

    name: str
    title: str
    drifted: bool
    method: str
    drawing: Markup
    rows: list[tuple[str, str, str]]
    """Name, value in the reference, value in the current rows."""


def page(report: Report) -> bytes:
    """Render the page of a report that has a verdict."""
    cards = [_card(name, column) for name, column in report.columns(PREDICTION, LABEL.name).items()]
    features = [card for card in cards if card.name in report.features]
    return render(
        TEMPLATE,
        title=f"Drift: {report.verdict}",
        drifted=report.verdict == DRIFT,
        tones={True: "warning", False: "good"},
        sentence=report.sentence,
        facts=list(_facts(report)),
        features=sorted(features, key=lambda card: not card.drifted),
        others=[card for card in cards if card.name not in report.features],
        computed_by=report.computed_by or "",
        page_sample=report.page_sample,
        files={"evidently": EVIDENTLY_PAGE, "report": DRIFT_REPORT},
    ).encode()


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "Reference", _describe_source(report.reference)
    yield "Current", _describe_source(report.current)
    if model := report.reference.model:
        yield "Model", f"{model.name}, version {model.version}, MLflow run {model.run_id}"
    if report.retraining:
        yield "Retraining", report.retraining
    yield "Checked", f"{report.created}, run {report.run_id}"


def _describe_source(facts: DatasetFacts) -> str:
    """Describe in one line where rows came from."""
    parts = [f"{facts.rows:,} rows of {facts.source}"]
    if facts.since is not None:
        parts.append(f"{facts.since} to {facts.until}")
    if facts.object is not None:
        parts.append(facts.object)
    if facts.versions:
        counts = ", ".join(f"version {version} ({n:,})" for version, n in facts.versions.items())
        parts.append(f"predicted by {counts}")
    if facts.objects and facts.objects.unreadable:
        parts.append(f"{len(facts.objects.unreadable)} unreadable objects skipped")
    return "; ".join(parts)


def _card(name: str, column: ColumnDrift) -> Card:
    is_p_value = column.statistic == "p-value"
    drift_if = "below" if is_p_value else "at or above"
    title = _titles().get(name, name)
    return Card(
        name=name,
        title=title,
        drifted=column.drifted,
        method=(
            f"{METHODS[column.method].title}: {column.statistic} {column.score:.3g}; "
            f"drift if {drift_if} {column.threshold:g}"
        ),
        drawing=draw(title, column.distribution),
        rows=_rows(column),
    )


def _titles() -> dict[str, str]:
    """Description and unit of each column."""
    titles = {
        feature.name: feature.description
        + (f", {feature.unit}" if isinstance(feature, Number) else "")
        for feature in FEATURES
    }
    return titles | {
        PREDICTION: f"Predicted probability of '{LABEL.positive}'",
        LABEL.name: LABEL.description,
    }


def _rows(column: ColumnDrift) -> list[tuple[str, str, str]]:
    """Both summaries; the fractions of a category are in its drawing."""
    reference, current = column.reference, column.current
    rows = [("rows", f"{reference.rows:,}", f"{current.rows:,}")]
    if reference.missing or current.missing:
        rows.append(("missing", f"{reference.missing:,}", f"{current.missing:,}"))
    if column.kind == "number":
        rows.append(("mean ± standard deviation", str(reference), str(current)))
        rows.append(("minimum, quartiles, maximum", _quartiles(reference), _quartiles(current)))
    return rows


def _quartiles(side: Summary) -> str:
    return ", ".join(f"{value:.4g}" for value in side.quartiles or ())
