"""What a raw file has that the columns file does not expect: missing columns, and new categories.

`ingest` and `preprocess` store it, and the drift check reports it with its verdict: the predictor
refuses the same values, so live traffic never shows them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pipeline.column_file.blanks import is_blank
from pipeline.column_file.outcome import to_number
from pipeline.columns import LABEL, ROW_COLUMNS, Category, Feature, Label
from pipeline.errors import shorten
from pipeline.storage.artifacts.data import SourceChanges
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SOURCE_CHANGES, latest_report_file

if TYPE_CHECKING:
    import pandas as pd

MAX_VALUES = 5
"""Most new values of a column that are listed, the most frequent ones."""


def find_new_values(rejected: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Find the values of categories and of the label that the columns file does not have.

    Args:
        rejected: The rejected rows, under their raw names.

    Returns:
        Header of a column -> each new value -> the number of its rows.
    """
    found = {}
    for column in (*ROW_COLUMNS, LABEL):
        if not isinstance(column, (Category, Label)) or column.raw not in rejected:
            continue
        values = rejected[column.raw].dropna().astype(str).str.strip()
        counts = values[~values.map(is_blank).astype(bool)].value_counts(sort=False).sort_index()
        new = counts[[value for value in counts.index if not _is_known(column, value)]]
        largest = new.nlargest(MAX_VALUES)
        if len(largest):
            found[column.raw] = {shorten(str(value)): int(rows) for value, rows in largest.items()}
    return found


def _is_known(column: Feature | Label, value: str) -> bool:
    if isinstance(column, Label):
        return column.is_positive(value) is not None
    assert isinstance(column, Category)
    if column.other_code is not None:
        return True
    if column.is_text:
        return column.get_code(value) is not None
    return to_number(value) in column.codes.values()


def record_changes(
    lake: Lake,
    run_id: str,
    *,
    missing: Collection[str] = (),
    new_values: dict[str, dict[str, int]] | None = None,
) -> SourceChanges:
    """Store what the newest raw file has that was not expected; it replaces that of the last file.

    Args:
        lake: The lake.
        run_id: The run that read the file.
        missing: Headers of missing columns.
        new_values: The result of `find_new_values`.
    """
    changes = SourceChanges(run_id=run_id, missing=list(missing), new_values=new_values or {})
    lake.write_model(latest_report_file(SOURCE_CHANGES), changes)
    return changes


def read_changes(lake: Lake) -> list[str]:
    """Return the sentences about the newest raw file; none if it has what is expected."""
    key = latest_report_file(SOURCE_CHANGES)
    return lake.read_model(key, SourceChanges).sentences if lake.exists(key) else []
