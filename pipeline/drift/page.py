"""The drift page: the report for people, an HTML file that shows every distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, SUBJECTS, Number
from pipeline.drift.columns import PREDICTION
from pipeline.drift.drawings import draw
from pipeline.drift.methods import METHODS
from pipeline.drift.report import (
    BLIND_SPOT,
    DRIFT,
    ColumnDrift,
    Report,
    Summary,
    describe_joint,
)
from pipeline.reporting.templates import render
from pipeline.storage.artifacts.drift import DatasetFacts
from pipeline.storage.layout import (
    DRIFT_REPORT,
    EVIDENTLY_PAGE,
    MODEL_CARD_HTML,
    VALIDATION_PAGE,
)
from pipeline.times import format_time

TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Card:
    """A column on the page."""

    name: str
    title: str
    drifted: bool
    method: str
    drawing: Markup
    outside: str
    """How many current rows of a feature the training data does not cover; empty if it covers
    all."""
    rows: list[tuple[str, str, str]]
    """Name, value in the reference, value in the current rows."""


def page(report: Report, reports: str = "../") -> bytes:
    """Render the page of a report that has a verdict.

    Args:
        report: The report.
        reports: Relative address of the lake's `reports/` from the page, for its links: `../` in
            the folder of a run, empty for the latest report.
    """
    cards = [_card(name, column) for name, column in report.columns(PREDICTION, LABEL.name).items()]
    features = [card for card in cards if card.name in report.features]
    return render(
        TEMPLATE,
        title=f"Drift: {report.verdict}",
        drifted=report.verdict == DRIFT,
        tones={True: "warning", False: "good"},
        sentence=report.sentence,
        links=_links(report, reports),
        steps=list(_next_steps(report)),
        facts=list(_facts(report)),
        features=sorted(features, key=lambda card: not card.drifted),
        performance=report.performance,
        blind_spot=BLIND_SPOT,
        positive=LABEL.positive,
        others=[card for card in cards if card.name not in report.features],
        computed_by=report.computed_by or "",
        page_sample=report.page_sample,
        files={"evidently": EVIDENTLY_PAGE, "report": DRIFT_REPORT},
    ).encode()


def _links(report: Report, reports: str) -> Mapping[str, str]:
    """Links to the reports of the compared model: text -> address."""
    model = report.reference.model
    if model is None or model.pipeline_run_id is None:
        return {}
    run_id = model.pipeline_run_id
    return {
        "Model card": f"{reports}{run_id}/{MODEL_CARD_HTML}",
        "Deployment gates": f"{reports}{run_id}/{VALIDATION_PAGE}",
    }


def _next_steps(report: Report) -> Iterator[str]:
    """What to do after this verdict, in the order of the steps."""
    yield from report.source_changes
    if report.verdict != DRIFT:
        if not report.source_changes:
            yield "Nothing has to be done. The next check compares newer traffic."
        return
    if names := ", ".join(name for name, column in report.features.items() if column.drifted):
        yield f"Check the source of {names}: a changed unit, form or default looks like drift."
    elif report.joint is not None and report.joint.drifted:
        yield (
            "No single feature has drifted, but their combinations have, most of all "
            f"{', '.join(report.joint.strongest)}. Check whether columns were "
            "swapped or rows mixed up."
        )
    if report.prediction is not None and not report.prediction.drifted:
        yield (
            "The predictions have not drifted: the model barely uses what has changed. There is "
            "no hurry."
        )
    elif report.prediction is not None:
        yield (
            "The predictions have drifted, too. Until the cause is known, do not rely on them for "
            f"{SUBJECTS} unlike those that the model was trained on."
        )
    yield (
        f"If the {SUBJECTS} have really changed, add recent rows with their outcome to the data "
        "source and train a new model. Retraining on the old rows changes nothing."
    )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "Training data", _describe_source(report.reference)
    yield "Current data", _describe_source(report.current)
    if report.joint is not None:
        yield "All features together", describe_joint(report.joint)
    if model := report.reference.model:
        yield "Model", f"{model.name}, version {model.version}, MLflow run {model.run_id}"
    if report.retraining:
        yield "Retraining", report.retraining
    yield "Checked", f"{format_time(report.created)}, run {report.run_id}"


def _describe_source(facts: DatasetFacts) -> str:
    """Describe in one line where rows came from."""
    parts = [f"{facts.rows:,} rows of {facts.source}"]
    if facts.since is not None and facts.until is not None:
        parts.append(f"{format_time(facts.since)} to {format_time(facts.until)}")
    if facts.object is not None:
        parts.append(facts.object)
    if facts.splits is not None:
        parts.append(", ".join(facts.splits))
    if facts.versions:
        counts = ", ".join(f"version {version} ({n:,})" for version, n in facts.versions.items())
        parts.append(f"predicted by {counts}")
    if facts.objects and facts.objects.unreadable:
        parts.append(f"{len(facts.objects.unreadable)} unreadable objects skipped")
    return "; ".join(parts)


def _card(name: str, column: ColumnDrift) -> Card:
    title = _titles().get(name, name)
    return Card(
        name=name,
        title=title,
        drifted=column.drifted,
        method=(
            f"{METHODS[column.method].title}: {column.shown_score}, "
            f"change {column.effect:.1%}; drift if {column.rule}"
        ),
        drawing=draw(title, column.distribution),
        outside=_describe_outside(column) if name in FEATURE_NAMES else "",
        rows=_rows(column),
    )


def _describe_outside(column: ColumnDrift) -> str:
    if not column.outside:
        return ""
    fraction = "less than 0.1%" if column.outside < 0.001 else f"{column.outside:.1%}"
    if column.kind == "number" and column.reference.quartiles is not None:
        low, *_, high = column.reference.quartiles
        return (
            f"{fraction} of the current rows are outside the training data, {low:.4g} to {high:.4g}"
        )
    return f"{fraction} of the current rows have a value that the training data lacks"


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
        rows.append(("missing", _missing(reference), _missing(current)))
    if column.kind == "number":
        rows.append(("mean ± standard deviation", str(reference), str(current)))
        rows.append(("minimum, quartiles, maximum", _quartiles(reference), _quartiles(current)))
    return rows


def _missing(side: Summary) -> str:
    return f"{side.missing:,} ({side.missing / (side.rows + side.missing):.1%})"


def _quartiles(side: Summary) -> str:
    return ", ".join(f"{value:.4g}" for value in side.quartiles or ())
