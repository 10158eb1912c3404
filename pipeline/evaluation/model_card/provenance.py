"""Where a model comes from, for its card: its data, its code, and the versions before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.column_file.roles import Roles
from pipeline.columns import AUDIT_ONLY, CARD, LABEL, ROLES, ROW_COLUMNS, Category, Feature
from pipeline.data_check.summary import list_measurements
from pipeline.evaluation.model_card.publication import Publication
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Heading, Table, Text
from pipeline.storage.artifacts.data import SplitFacts

NOT_STATED = "not stated"
FITTED_ON = "The model was fitted on `train` and `validation`."


def describe_data(result: EvaluationResult) -> list[Block]:
    """The origin of the rows, their columns, and the hashes of every layer."""
    lineage = result.manifest.lineage
    columns = [
        (f"`{column.name}`", column.raw, column.description, _accepted(column), _get_role(column))
        for column in ROW_COLUMNS
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
        Text(" ".join([*describe_split(result.splits, result.left_out, ROLES), FITTED_ON])),
        tabulate_splits(result.splits, ROLES),
    ]


def describe_split(splits: Mapping[str, SplitFacts], left_out: int, roles: Roles) -> Iterator[str]:
    """Yield sentences about how the rows were split.

    Args:
        splits: Name of each split -> its rows.
        left_out: Older rows of persons or groups in the test split, which are in no split.
        roles: The roles of the columns file.
    """
    if roles.time:
        oldest, newest = splits["test"].terms
        terms = newest if oldest == newest else f"{oldest} to {newest}"
        yield f"The test split has the rows with the newest `{roles.time.name}`: {terms}."
    else:
        yield "The splits are stratified by the label."
    if not roles.unit_names:
        return
    names = " or ".join(f"`{name}`" for name in roles.unit_names)
    yield (
        f"No {names} is in two splits, and the intervals of the test rows count these instead of "
        "rows."
    )
    if left_out:
        yield (
            f"{left_out:,} older rows are in no split, because newer rows of the same "
            f"{names} are tested."
        )


def tabulate_splits(splits: Mapping[str, SplitFacts], roles: Roles) -> Table:
    """Return a table of the splits, with their persons and terms if the rows have them.

    Args:
        splits: Name of each split -> its rows.
        roles: The roles of the columns file.
    """
    facts = splits.values()
    columns = {
        "split": list(splits),
        "rows": [f"{split.rows:,}" for split in facts],
        LABEL.positive: [f"{split.positives:,}" for split in facts],
    }
    if roles.key:
        columns[f"different `{roles.key.name}`"] = [f"{split.persons:,}" for split in facts]
    numeric = range(1, len(columns))
    if roles.time:
        terms = [" to ".join(dict.fromkeys(split.terms)) for split in facts]
        columns[f"`{roles.time.name}`"] = terms
    columns["SHA-256"] = [f"`{split.sha256}`" for split in facts]
    return Table(tuple(columns), list(zip(*columns.values(), strict=True)), numeric=tuple(numeric))


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
