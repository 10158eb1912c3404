"""The page of a data check."""

from __future__ import annotations

from pipeline.columns import LABEL, SUBJECTS
from pipeline.data_check.report import DataCheck
from pipeline.data_check.summary import list_measurements
from pipeline.reporting.document import Block, Callout, Heading, Items, Links, Table, Text, to_html
from pipeline.storage.layout import MODEL_CARD_HTML, VALIDATION_PAGE


def page(check: DataCheck, run_id: str) -> bytes:
    """Render the page of a data check.

    Args:
        check: The data check.
        run_id: Run that made it, for the heading.

    Returns:
        HTML in UTF-8.
    """
    return to_html(f"Data check, run {run_id}", _blocks(check)).encode()


def _blocks(check: DataCheck) -> list[Block]:
    sentences = [f"{sentence}." for sentence in check.sentences]
    things = "1 thing" if len(sentences) == 1 else f"{len(sentences)} things"
    verdict = f"{things} to know about this data" if sentences else "No finding"
    return [
        Links({"Model card": MODEL_CARD_HTML, "Deployment gates": VALIDATION_PAGE}),
        Text(
            f"What can be learned from {check.rows:,} {SUBJECTS}, {check.positives:,} of them "
            f"labelled `{LABEL.positive}`, before a model is trained."
            + (f" They are a random sample of {check.file_rows:,}." if check.file_rows else "")
        ),
        Callout(verdict, is_good=not sentences),
        *([Items(sentences)] if sentences else []),
        Heading("Measurements"),
        Table((), list(list_measurements(check))),
        Heading("Single features"),
        _tabulate_features(check),
        *_needed(check),
    ]


def _tabulate_features(check: DataCheck) -> Block:
    """The features, with their blanks if there are any."""
    header = ("feature", "distinct values", "most common value", "ROC AUC (95 % interval)")
    rows: list[tuple[str, ...]] = [
        (
            f"`{feature.name}`",
            f"{feature.distinct:,}",
            f"{feature.most_common:.1%}",
            str(feature.auc) if feature.auc else "",
        )
        for feature in check.features
    ]
    if any(feature.blanks for feature in check.features):
        rates = [f"{feature.blanks / check.rows:.1%}" for feature in check.features]
        rows = [(*row, rate) for row, rate in zip(rows, rates, strict=True)]
        return Table((*header, "blank"), rows, numeric=(1, 2, 3, 4))
    return Table(header, rows, numeric=(1, 2, 3))


def _needed(check: DataCheck) -> list[Block]:
    if not check.needed:
        return []
    return [
        Heading("Positive rows that the test split needs"),
        Table(
            ("to measure", "needed", "present"),
            [
                (
                    f"{item.metric} of {item.assumed:.2f} to within {item.half_width:g}",
                    f"{item.needed:,}",
                    f"{item.present:,}",
                )
                for item in check.needed
            ],
            numeric=(1, 2),
        ),
    ]
