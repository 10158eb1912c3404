"""Where a model comes from, for its card: its data, its code, and the versions before it."""

from __future__ import annotations

from pipeline.columns import AUDIT_ONLY, CARD, LABEL, ROW_COLUMNS, Category, Feature
from pipeline.data_check.summary import list_measurements
from pipeline.evaluation.model_card.publication import Publication
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Heading, Table, Text

NOT_STATED = "not stated"


def describe_data(result: EvaluationResult) -> list[Block]:
    """The origin of the rows, their columns, and the hashes of every layer."""
    lineage = result.manifest.lineage
    columns = [
        (f"`{column.name}`", column.raw, column.description, _accepted(column), _get_role(column))
        for column in ROW_COLUMNS
    ]
    splits = [
        (name, f"{split.rows:,}", f"{split.positives:,}", f"`{split.sha256}`")
        for name, split in result.splits.items()
    ]
    origin = [
        ("source", CARD.source or NOT_STATED),
        ("license of the data", CARD.license or NOT_STATED),
        ("raw file", f"SHA-256 `{lineage.bronze}`"),
        ("valid rows", f"SHA-256 `{lineage.silver}`"),
    ]
    return [
        Heading("Data"),
        Table((), origin),
        *_describe_file(result),
        Table(("column", "name in the file", "meaning", "accepted", "role"), columns),
        *_describe_check(result),
        Text(
            "The splits are stratified by the label. The model was fitted on `train` and "
            "`validation`."
        ),
        Table(("split", "rows", LABEL.positive, "SHA-256"), splits, numeric=(1, 2)),
    ]


def describe_versions(result: EvaluationResult, publication: Publication) -> list[Block]:
    """The code, the libraries and the license, and the versions that were in production before."""
    lineage = result.manifest.lineage
    libraries = ", ".join(
        f"{name} {version}" for name, version in result.training.libraries.items()
    )
    facts = [
        ("code", f"`{lineage.code_version}`, image `{lineage.image}`"),
        ("libraries", libraries or NOT_STATED),
        ("license of the model", publication.license or NOT_STATED),
    ]
    return [
        Heading("Versions"),
        Table((), facts),
        *_describe_history(publication),
    ]


def _describe_history(publication: Publication) -> list[Block]:
    if not publication.history:
        return [Text("No version was in production before this model was evaluated.")]
    rows = [(change.time, change.version, change.reason) for change in publication.history]
    return [
        Text("Versions in production before this model was evaluated:"),
        Table(("since", "version", "why"), rows),
    ]


def _describe_file(result: EvaluationResult) -> list[Block]:
    note = result.data_check.note if result.data_check else None
    return [Text(f"{note}.")] if note else []


def _describe_check(result: EvaluationResult) -> list[Block]:
    if result.data_check is None:
        return []
    return [Table(("data check", "result"), list(list_measurements(result.data_check)))]


def _accepted(column: Feature) -> str:
    """The values that are accepted."""
    if isinstance(column, Category):
        return ", ".join(column.codes)
    return f"{column.low:g} to {column.high:g} {column.unit}"


def _get_role(column: Feature) -> str:
    if column in AUDIT_ONLY:
        return "audit only"
    return "sensitive feature" if column.sensitive else "feature"
