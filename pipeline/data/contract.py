"""Separate raw rows that keep the contract of the columns file from those that break it."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

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
from pipeline.types import IntArray

if TYPE_CHECKING:
    from pandera.pandas import Check, DataFrameSchema

TEXT_COLUMNS = {
    *(column.raw for column in (*ROW_COLUMNS, LABEL) if column.is_text),
    *UNTIL_COLUMNS,
    *(role.raw for role in ROLES.columns),
}
"""Headers of the columns that hold text."""
_PANDERA = threading.Lock()
"""Held while pandera is used: its imports deadlock if two threads are the first to use it."""


def make_schema(headers: Collection[str]) -> DataFrameSchema:
    """Make the schema of raw rows from the columns file.

    The error of each check completes the sentence "'Age' is 7, but must be ...".

    Args:
        headers: Headers of the columns of the rows.
    """
    from pandera.pandas import Column, DataFrameSchema  # slow to import, and few rows need it

    columns = {
        feature.raw: Column(float, _make_checks(feature), nullable=not feature.required)
        for feature in ROW_COLUMNS
    }
    columns[LABEL.raw] = Column(float)
    columns |= {
        role.raw: Column(object, _make_role_checks(role), nullable=isinstance(role, Group))
        for role in ROLES.columns
    }
    return DataFrameSchema({name: columns[name] for name in headers})


def _make_checks(column: Feature) -> list[Check]:
    from pandera.pandas import Check

    if isinstance(column, Category):
        return [Check.isin(list(column.codes.values()), error=_expect(column))]
    low, high = column.low, column.high
    checks = [Check.in_range(low, high, error=_expect(column))]
    if column.is_integer and not column.until:
        checks.append(Check(lambda values: values % 1 == 0, error="a whole number"))
    return checks


def _make_role_checks(role: Role) -> list[Check]:
    from pandera.pandas import Check

    if not isinstance(role, Time):
        return []
    return [
        Check(lambda term: role.parse(term) is not None, element_wise=True, error=role.expected)
    ]


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

    Text that is not a number counts as a missing number, and infinity is out of every range. The
    schema judges only rows that a quick check of the same rules does not accept, and gives the
    reasons.
    """
    numbers = to_numbers(raw)
    is_valid = _find_valid(numbers)
    doubtful = np.flatnonzero(~is_valid)
    reasons = _find_reasons(raw, numbers, doubtful)
    is_valid[doubtful] = True
    is_valid[reasons.index] = False
    rejected = raw.iloc[reasons.index]
    rejected = rejected.assign(row=reasons.index + 1, reason=reasons)
    return _to_silver(numbers, is_valid), rejected


def _find_valid(numbers: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether each row keeps the rules of `make_schema`, without their reasons."""
    rows = len(next(iter(numbers.values())))
    is_valid = np.ones(rows, np.bool_)
    if LABEL.raw in numbers:
        is_valid &= ~np.isnan(numbers[LABEL.raw])
    for feature in filter(lambda column: column.raw in numbers, ROW_COLUMNS):
        values = numbers[feature.raw]
        if isinstance(feature, Category):
            keeps = np.logical_or.reduce([values == code for code in feature.codes.values()])
        else:
            keeps = (values >= feature.low) & (values <= feature.high)
            if feature.is_integer and not feature.until:
                keeps &= np.floor(values) == values
        is_valid &= keeps if feature.required else keeps | np.isnan(values)
    for role in filter(lambda role: role.raw in numbers, ROLES.columns):
        if not isinstance(role, Group):
            texts = pd.Series(numbers[role.raw], dtype=object)
            known = {
                text: not isinstance(role, Time) or role.parse(text) is not None
                for text in texts.dropna().unique()
            }
            is_valid &= texts.map(known).fillna(False).to_numpy(bool)
    return is_valid


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


def _find_reasons(
    raw: pd.DataFrame, numbers: Mapping[str, NDArray[Any]], rows: IntArray
) -> pd.Series[str]:
    """Index of each of these rows that breaks the contract -> the reasons."""
    if not rows.size:
        return pd.Series(dtype="object", index=pd.Index([], dtype=np.int64))
    cases = _find_failures(pd.DataFrame({name: own[rows] for name, own in numbers.items()}))
    places = rows[cases["index"].astype(int)]
    reasons = [
        _describe(raw[column].iat[place], column, check)
        for place, column, check in zip(places, cases["column"], cases["check"], strict=True)
    ]
    found = pd.Series(reasons, index=places, dtype="object")
    return found.groupby(level=0).agg(lambda group: "; ".join(dict.fromkeys(group)))


def _find_failures(frame: pd.DataFrame) -> pd.DataFrame:
    """The values that break the contract: their `index`, their `column`, and the `check`."""
    with _PANDERA:
        from pandera.errors import SchemaErrors

        try:
            make_schema(frame.columns).validate(frame, lazy=True)
        except SchemaErrors as error:
            cases: pd.DataFrame = error.failure_cases.dropna(subset=["index"])
            return cases
    return pd.DataFrame({"index": [], "column": [], "check": []})


EXPECTED = {
    LABEL.raw: _expect(LABEL),
    **{feature.raw: _expect(feature) for feature in ROW_COLUMNS if feature.raw in TEXT_COLUMNS},
}
"""Header of a column whose values are translated -> the values that it may have."""


def _describe(value: Any, column: str, check: str) -> str:
    if pd.isna(value) or is_blank(value):
        return f"'{column}' is missing"
    is_readable = column in TEXT_COLUMNS or not math.isnan(to_number(value))
    if check == "not_nullable" and is_readable:
        check = EXPECTED.get(column, check)
    if check == "not_nullable" or not is_readable:
        return f"'{column}' is {shorten(repr(value))}, but must be a number"
    return f"'{column}' is {shorten(str(value))}, but must be {check}"
