"""Read raw rows, and separate those that keep the contract of the columns file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow.csv

from pipeline.column_file.blanks import is_blank
from pipeline.column_file.outcome import to_number
from pipeline.column_file.roles import Group, Role, Time
from pipeline.columns import (
    LABEL,
    ROLES,
    ROW_COLUMNS,
    SOURCE_HEADER,
    UNTIL_COLUMNS,
    Category,
    Feature,
    Label,
    Number,
)
from pipeline.data.raw_csv import find_delimiter
from pipeline.errors import DataError, shorten
from pipeline.storage.parquet import get_column_types

TEXT_COLUMNS = {
    *(column.raw for column in (*ROW_COLUMNS, LABEL) if column.is_text),
    *UNTIL_COLUMNS,
    *(role.raw for role in ROLES.columns),
}
"""Headers of the columns that hold text."""


def parse_csv(text: str, line: int = 0, columns: Sequence[str] = SOURCE_HEADER) -> pd.DataFrame:
    """Parse the columns of the contract.

    Args:
        text: A header and rows.
        line: Number of lines of the file between the header and the rows, for errors.
        columns: Headers of the columns to parse.

    Returns:
        The columns under their raw names: text for columns of names, float64 for the others.
        If a value of those is not a number, all columns are text.
    """
    delimiter = find_delimiter(text)
    types = {
        name: pyarrow.string() if name in TEXT_COLUMNS else pyarrow.float64() for name in columns
    }
    try:
        frame: pd.DataFrame = pyarrow.csv.read_csv(
            io.BytesIO(text.encode()),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=list(columns)
            ),
        ).to_pandas()
    except pyarrow.ArrowInvalid:  # a value is text, or a row is too short or too long
        return _parse_as_text(text, delimiter, line)[list(columns)]
    return frame


def _parse_as_text(text: str, delimiter: str, line: int) -> pd.DataFrame:
    """Parse every value as text.

    The last values of a short row are missing; the last value of a long row holds all the rest.

    Raises:
        DataError: If a line cannot be parsed.
    """
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = next(reader)
    last = len(header) - 1
    try:
        rows = [
            [*row[:last], delimiter.join(row[last:])]
            if len(row) > last
            else [*row, *[None] * (last + 1 - len(row))]
            for row in reader
            if row
        ]
    except csv.Error as error:
        line += reader.line_num
        raise DataError(f"line {line} cannot be parsed as CSV: {error}") from None
    return pd.DataFrame(rows, columns=header, dtype="string")


def make_schema(headers: Collection[str]) -> pa.DataFrameSchema:
    """Make the schema of raw rows from the columns file.

    The error of each check completes the sentence "'Age' is 7, but must be ...".

    Args:
        headers: Headers of the columns of the rows.
    """
    columns = {
        feature.raw: pa.Column(float, _make_checks(feature), nullable=not feature.required)
        for feature in ROW_COLUMNS
    }
    columns[LABEL.raw] = pa.Column(float)
    columns |= {
        role.raw: pa.Column(object, _make_role_checks(role), nullable=isinstance(role, Group))
        for role in ROLES.columns
    }
    return pa.DataFrameSchema({name: columns[name] for name in headers})


def _make_checks(column: Feature) -> list[pa.Check]:
    if isinstance(column, Category):
        return [pa.Check.isin(list(column.codes.values()), error=_expect(column))]
    low, high = column.low, column.high
    checks = [pa.Check.in_range(low, high, error=_expect(column))]
    if column.is_integer and not column.until:
        checks.append(pa.Check(lambda values: values % 1 == 0, error="a whole number"))
    return checks


def _make_role_checks(role: Role) -> list[pa.Check]:
    if not isinstance(role, Time):
        return []
    return [
        pa.Check(lambda term: role.parse(term) is not None, element_wise=True, error=role.expected)
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


def to_numbers(raw: pd.DataFrame) -> pd.DataFrame:
    """Convert raw rows to numbers: names to codes, and the label to 1 for the positive outcome.

    A value that is not a number, a name or an outcome becomes NaN, and infinity if its column may
    be blank, where NaN is a blank. The person, the term and the groups stay text; a blank
    becomes None. Columns that the rows lack are left out.
    """

    def translate(column: pd.Series[Any], function: Callable[[Any], float | None]) -> Any:
        known = {value: function(value) for value in column.dropna().unique()}
        return column.map(known).astype("float64")

    numbers = {}
    for feature in filter(lambda column: column.raw in raw, ROW_COLUMNS):
        column = raw[feature.raw]
        if isinstance(feature, Category) and feature.is_text:
            values = translate(column, feature.get_code)
        elif isinstance(feature, Number) and feature.is_text:
            values, column = _measure_dates(raw, feature)
        else:
            values = pd.to_numeric(column, errors="coerce").astype("float64")
        if isinstance(feature, Category) and feature.other_code is not None:
            is_known = values.isin([float(code) for code in feature.codes.values()])
            values = values.mask(~is_known & ~_find_blanks(column), feature.other_code)
        if not feature.required:
            values = values.mask(values.isna() & ~_find_blanks(column), math.inf)
        numbers[feature.raw] = values
    if LABEL.raw in raw:
        numbers[LABEL.raw] = translate(raw[LABEL.raw], LABEL.is_positive)
    for role in filter(lambda role: role.raw in raw, ROLES.columns):
        text = raw[role.raw].astype("object").map(lambda value: str(value).strip(), "ignore")
        numbers[role.raw] = text.where(~_find_blanks(text), None)
    return pd.DataFrame(numbers)


def _measure_dates(raw: pd.DataFrame, feature: Number) -> tuple[Any, Any]:
    """The times from the dates of a column, and its cells; None where a date is blank."""
    cells = raw[feature.raw].astype("object").where(raw[feature.raw].notna(), "")
    ends = raw[feature.until_column or feature.raw].astype("object")
    pairs = list(zip(cells, ends.where(ends.notna(), ""), strict=True))
    known = {pair: feature.measure_dates(*map(str, pair)) for pair in set(pairs)}
    times = [known[pair] for pair in pairs]
    values = pd.Series(times, cells.index, dtype="float64")
    is_readable = pd.Series([time is not None for time in times], cells.index)
    return values, cells.mask(is_readable & values.isna(), None)


def _find_blanks(column: pd.Series[Any]) -> pd.Series[bool]:
    """Whether each cell is blank."""
    texts = [value for value in column.dropna().unique() if isinstance(value, str)]
    return column.isna() | column.isin([text for text in texts if is_blank(text)])


def count_blanks(rows: pd.DataFrame) -> dict[str, int]:
    """Count the blanks of each column that has any.

    Args:
        rows: Valid rows, with the names of silver.
    """
    counts = rows[[column.name for column in ROW_COLUMNS]].isna().sum()
    return {str(name): int(count) for name, count in counts.items() if count}


def validate_rows(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows that keep the contract from those that break it.

    Text that is not a number counts as a missing number, and infinity is out of every range.

    Args:
        raw: Raw rows, from `parse_csv`, with all columns or some of them.

    Returns:
        The valid rows with the names and types of silver, and the rejected rows unchanged, with
        two more columns: `row`, their number from 1, and `reason`.
    """
    numbers = to_numbers(raw)
    reasons = _find_reasons(raw, numbers)
    bad = raw.loc[reasons.index]
    rejected = bad.assign(row=bad.index + 1, reason=reasons)
    good = numbers.drop(index=reasons.index)

    columns = (*ROW_COLUMNS, *ROLES.columns)
    valid = good.rename(columns={column.raw: column.name for column in columns})
    if LABEL.raw in good:
        valid[LABEL.name] = good[LABEL.raw]
    types = {name: kind for name, kind in get_column_types().items() if name in valid}
    return valid[list(types)].astype(types).reset_index(drop=True), rejected


def _find_reasons(raw: pd.DataFrame, numbers: pd.DataFrame) -> pd.Series[str]:
    """Index of each row that breaks the contract -> the reasons."""
    try:
        make_schema(numbers.columns).validate(numbers, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.dropna(subset=["index"])
        rows = cases["index"].astype(int).to_list()
        reasons = [
            _describe(raw.at[row, column], column, check)
            for row, column, check in zip(rows, cases["column"], cases["check"], strict=True)
        ]
        found = pd.Series(reasons, index=rows, dtype="object")
        return found.groupby(level=0).agg(lambda group: "; ".join(dict.fromkeys(group)))
    return pd.Series(dtype="object")


EXPECTED = {
    LABEL.raw: _expect(LABEL),
    **{feature.raw: _expect(feature) for feature in ROW_COLUMNS if feature.raw in TEXT_COLUMNS},
}
"""Header of a column whose values are translated -> the values that it may have."""


def _describe(value: Any, column: str, check: str) -> str:
    if pd.isna(value) or value == "":
        return f"'{column}' is missing"
    is_readable = column in TEXT_COLUMNS or not math.isnan(to_number(value))
    if check == "not_nullable" and is_readable:
        check = EXPECTED.get(column, check)
    if check == "not_nullable" or not is_readable:
        return f"'{column}' is {shorten(repr(value))}, but must be a number"
    return f"'{column}' is {shorten(str(value))}, but must be {check}"
