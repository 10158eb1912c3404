"""What a raw file has that the columns file does not expect: missing columns, and new categories.

`ingest` and `preprocess` store it, and the drift check reports it with its verdict: the predictor
refuses the same values, so live traffic never shows them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
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
MAX_COUNTED = 10_000
"""Most new values of a column that are counted; beyond it, the least frequent are forgotten."""


class NewValues:
    """Counts the values of categories and of the label that the columns file does not have."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def update(self, other: NewValues) -> None:
        """Add the counts of other rows."""
        for column, counts in other._counts.items():
            total = self._counts.setdefault(column, Counter())
            total.update(counts)
            if len(total) > MAX_COUNTED:
                self._counts[column] = Counter(dict(total.most_common(MAX_COUNTED)))

    def add(self, column: str, value: str, rows: int) -> None:
        """Count rows with a new value of a column."""
        self._counts.setdefault(column, Counter())[value] += rows

    def find_most_frequent(self) -> dict[str, dict[str, int]]:
        """Return the header of each column -> its most frequent new values -> their rows."""
        return {
            column: dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_VALUES])
            for column, counts in self._counts.items()
        }


def count_new_values(rejected: pd.DataFrame) -> NewValues:
    """Count the values of categories and of the label that the columns file does not have.

    Args:
        rejected: The rejected rows, under their raw names.
    """
    found = NewValues()
    for column in (*ROW_COLUMNS, LABEL):
        if not isinstance(column, (Category, Label)) or column.raw not in rejected:
            continue
        values = rejected[column.raw].dropna().astype(str).str.strip()
        for value, rows in values.value_counts(sort=False).items():
            if not is_blank(str(value)) and not _is_known(column, str(value)):
                found.add(column.raw, _format_value(column, str(value)), int(rows))
    return found


def _format_value(column: Category | Label, value: str) -> str:
    """Write a number in one way, whether it was parsed as a number or as text."""
    number = to_number(value)
    return shorten(value) if column.is_text or math.isnan(number) else f"{number:g}"


def _is_known(column: Feature | Label, value: str) -> bool:
    if isinstance(column, Label):
        return column.is_positive(value) is not None
    assert isinstance(column, Category)
    if column.other_code is not None:
        return True
    if column.is_text:
        return column.get_code(value) is not None
    return to_number(value) in column.codes.values()


def remove_values(
    new_values: Mapping[str, Mapping[str, int]], rows: Iterable[Mapping[str, object]]
) -> dict[str, dict[str, int]]:
    """Remove the values of rows, also those that the columns file has had since then.

    Args:
        new_values: The result of `NewValues.find_most_frequent`.
        rows: The rows, by the names of their columns.

    Returns:
        The other values, without columns that have none.
    """
    removed: dict[str, set[str]] = {column: set() for column in new_values}
    for row in rows:
        for column in removed.keys() & row.keys():
            removed[column] |= _list_forms(row[column])
    kept = {
        column: {value: n for value, n in counts.items() if value not in removed[column]}
        for column, counts in new_values.items()
    }
    return {column: counts for column, counts in kept.items() if counts}


def _list_forms(value: object) -> set[str]:
    """All results of `_format_value`: the column may have had another type."""
    text, number = shorten(str(value).strip()), to_number(value)
    return {text} if math.isnan(number) else {text, f"{number:g}"}


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
        new_values: The result of `NewValues.find_most_frequent`.
    """
    changes = SourceChanges(run_id=run_id, missing=list(missing), new_values=new_values or {})
    lake.write_model(latest_report_file(SOURCE_CHANGES), changes)
    return changes


def read_changes(lake: Lake) -> list[str]:
    """Return the sentences about the newest raw file; none if it has what is expected."""
    key = latest_report_file(SOURCE_CHANGES)
    return lake.read_model(key, SourceChanges).sentences if lake.exists(key) else []
