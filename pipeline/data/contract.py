"""Separate raw rows that keep the contract of the columns file from those that break it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.column_file.blanks import is_blank
from pipeline.column_file.outcome import to_number
from pipeline.column_file.roles import Group, Role, Time
from pipeline.columns import (
    LABEL,
    ROLES,
    ROW_COLUMNS,
    UNTIL_COLUMNS,
    Category,
    Feature,
    Label,
    Number,
)
from pipeline.data.numbers import to_numbers
from pipeline.errors import shorten
from pipeline.storage.parquet import get_schema
from pipeline.types import BoolArray, IntArray

TEXT_COLUMNS = {
    *(column.raw for column in (*ROW_COLUMNS, LABEL) if column.is_text),
    *UNTIL_COLUMNS,
    *(role.raw for role in ROLES.columns),
}
"""Headers of the columns that hold text."""
MISSING = ""
"""What is expected of a value that must not be missing."""


@dataclass(frozen=True)
class Rule:
    """What the values of a column must fulfil.

    Attributes:
        holds: Returns whether each value keeps the rule; for a missing one, the result is unused.
        expected: Completes the sentence "'Age' must be ...".
    """

    holds: Callable[[NDArray[Any]], BoolArray]
    expected: str


def make_rules(column: Feature | Label | Role) -> list[Rule]:
    """Make the rules of a column of the columns file, without the one about missing values."""
    if isinstance(column, Time):
        return [Rule(lambda terms: _are_terms(column, terms), column.expected)]
    if isinstance(column, Category):
        codes = [*column.codes.values()]
        return [Rule(lambda values: _are_among(values, codes), _expect(column))]
    if not isinstance(column, Number):
        return []
    low, high = column.low, column.high
    rules = [Rule(lambda values: (values >= low) & (values <= high), _expect(column))]
    if column.is_integer and not column.until:
        rules.append(Rule(lambda values: np.floor(values) == values, "a whole number"))
    return rules


def _are_terms(time: Time, terms: NDArray[Any]) -> BoolArray:
    """Return whether each text is a term."""
    texts = pd.Series(terms, dtype=object)
    known = {text: time.parse(text) is not None for text in texts.dropna().unique()}
    return texts.map(known).fillna(False).to_numpy(bool)


def _are_among(values: NDArray[Any], codes: Iterable[float]) -> BoolArray:
    """Return whether each value is one of a few codes."""
    is_one: BoolArray = np.logical_or.reduce([values == code for code in codes])
    return is_one


def _expect(column: Feature | Label) -> str:
    """Describe the values that a column may have."""
    if isinstance(column, Number):
        bounds = f"{column.low:g} and {column.high:g}"
        if not column.until:
            return f"between {bounds}"
        end = f"the date in '{column.until}'" if column.until_column else column.until
        return f"a date between {bounds} {column.unit} before {end}"
    if isinstance(column, Label):
        options: Iterable[str] = column.raw_options
    elif column.is_text:
        options = column.codes
    else:
        options = (f"{code:g}" for code in column.codes.values())
    return f"one of {shorten(', '.join(options))}"


def validate_rows(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows that keep the contract from those that break it.

    No reason has a value of its row, because reasons are logged, and are stored without the key of
    the person; the rejected row itself has the value.

    Args:
        raw: Raw rows, from `parse_csv`, with all columns or some of them.

    Returns:
        The valid rows with the names and types of silver, and the rejected rows unchanged, with
        two more columns: `row`, their number from 1, and `reason`.
    """
    valid, rejected = validate_table(raw)
    return valid.to_pandas(), rejected


def validate_table(raw: pd.DataFrame) -> tuple[pa.Table, pd.DataFrame]:
    """Do as `validate_rows`, and return the valid rows as an Arrow table of silver's schema.

    Text that is not a number counts as a missing number, and infinity is out of every range.
    """
    numbers = to_numbers(raw)
    is_rejected = np.zeros(len(raw), np.bool_)
    for _, _, breaks_rule in _find_failures(numbers):
        is_rejected |= breaks_rule
    rows = np.flatnonzero(is_rejected)
    reasons = _find_reasons(raw, numbers, rows)
    return _to_silver(numbers, ~is_rejected), raw.iloc[rows].assign(row=rows + 1, reason=reasons)


def _find_failures(numbers: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str, BoolArray]]:
    """For each rule, yield its column, what it expects, and whether each row breaks it."""
    for column in (*ROW_COLUMNS, LABEL, *ROLES.columns):
        if column.raw in numbers:
            values = numbers[column.raw]
            is_missing = np.asarray(pd.isna(values))
            if not _may_be_blank(column):
                yield column.raw, MISSING, is_missing
            for rule in make_rules(column):
                yield column.raw, rule.expected, ~(rule.holds(values) | is_missing)


def _to_silver(numbers: Mapping[str, NDArray[Any]], is_valid: NDArray[np.bool_]) -> pa.Table:
    """The valid rows under the names of silver."""
    raw_names = {column.name: column.raw for column in (*ROW_COLUMNS, LABEL, *ROLES.columns)}
    schema = pa.schema([field for field in get_schema() if raw_names[field.name] in numbers])
    keep_all = bool(is_valid.all())
    arrays = []
    for field in schema:
        values = numbers[raw_names[field.name]]
        values = values if keep_all else values[is_valid]
        if pa.types.is_integer(field.type):
            values = values.astype(np.int64)
        arrays.append(pa.array(values, field.type, from_pandas=True))  # NaN is null
    return pa.Table.from_arrays(arrays, schema=schema)


def _may_be_blank(column: Feature | Label | Role) -> bool:
    return isinstance(column, Group) or (isinstance(column, Feature) and not column.required)


def _find_reasons(
    raw: pd.DataFrame, numbers: Mapping[str, NDArray[Any]], rows: IntArray
) -> list[str]:
    """Return why each of these rows is rejected."""
    reasons: list[list[str]] = [[] for _ in rows]
    chosen = {header: values[rows] for header, values in numbers.items()}
    for header, expected, breaks_rule in _find_failures(chosen):
        places = np.flatnonzero(breaks_rule)
        for place, text in zip(places, raw[header].iloc[rows[places]], strict=True):
            reasons[place].append(_describe(text, header, expected))
    return ["; ".join(dict.fromkeys(own)) for own in reasons]


EXPECTED = {
    LABEL.raw: _expect(LABEL),
    **{feature.raw: _expect(feature) for feature in ROW_COLUMNS if feature.raw in TEXT_COLUMNS},
}
"""Header of a column whose values are translated -> the values that it may have."""


def _describe(value: Any, column: str, expected: str) -> str:
    """Describe which rule a value breaks, without the value."""
    if pd.isna(value) or is_blank(value):
        return f"'{column}' is missing"
    is_readable = column in TEXT_COLUMNS or not math.isnan(to_number(value))
    if expected == MISSING and is_readable:
        expected = EXPECTED.get(column, MISSING)
    if expected == MISSING or not is_readable:
        return f"'{column}' must be a number"
    return f"'{column}' must be {expected}"
