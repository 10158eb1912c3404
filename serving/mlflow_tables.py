"""Reading the tables of MLflow's scoring protocol: four shapes of JSON, and CSV."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, ValidationError

from pipeline.column_file.blanks import is_blank
from pipeline.columns import FEATURE_NAMES, FEATURES, HAS_BLANKS
from serving.http.csv_text import (
    DELIMITER_LINE,
    detect_delimiter,
    get_feature_name,
    parse_number,
    read_records,
)
from serving.http.problems import BadJson, Finding, Invalid
from serving.http.requests import SPARE, refuse_oversized
from serving.http.rows import EXAMPLE

MAX_COLUMNS = 2 * len(FEATURES) + 100
"""Largest number of columns in a table; more than the model's are refused afterwards by name."""
MAX_LINES_PER_ROW = 20
"""Lines that CSV may have on average per allowed row: empty ones, and those in quoted cells."""
MAX_READ_ERRORS = 100
"""Up to this many errors of validation are read, of which the first is returned."""
NO_SHAPE = (
    "The body has none of MLflow's shapes `dataframe_split`, `dataframe_records`, "
    "`instances` and `inputs`"
)


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    params: dict[str, JsonValue] | None = Field(
        default=None, description="Accepted and ignored: the model has no parameters"
    )


class Split(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    columns: Annotated[list[str], Field(max_length=MAX_COLUMNS, fail_fast=True)]
    data: Annotated[list[list[JsonValue]], Field(fail_fast=True)]
    index: list[JsonValue] | None = None


class DataframeSplit(Shape):
    dataframe_split: Split


class DataframeRecords(Shape):
    dataframe_records: Annotated[list[dict[str, JsonValue]], Field(fail_fast=True)]


class Instances(Shape):
    instances: (
        Annotated[list[dict[str, JsonValue]], Field(fail_fast=True)]
        | Annotated[list[list[JsonValue]], Field(fail_fast=True)]
    )


class Inputs(Shape):
    inputs: dict[str, list[JsonValue]] | Annotated[list[list[JsonValue]], Field(fail_fast=True)]


class Invocation(RootModel[DataframeSplit | DataframeRecords | Instances | Inputs]):
    """MLflow's four shapes of a table."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"dataframe_records": [EXAMPLE]},
                {"dataframe_split": {"columns": list(EXAMPLE), "data": [list(EXAMPLE.values())]}},
                {"instances": [EXAMPLE]},
                {"inputs": {name: [value] for name, value in EXAMPLE.items()}},
            ]
        }
    )


def parse_json(data: bytes, max_rows: int) -> list[dict[str, Any]]:
    """Parse the table of a JSON body.

    Args:
        data: The body.
        max_rows: Largest number of rows.

    Returns:
        One dictionary per row.

    Raises:
        BadJson: If the body is not JSON.
        Invalid: If it has none of MLflow's shapes, rows and columns do not match, or there are
            more than `max_rows` rows.
    """
    refuse_oversized(data, max_rows)
    try:
        return _to_records(Invocation.model_validate_json(data), max_rows)
    except ValidationError as error:
        if error.error_count() > MAX_READ_ERRORS:
            raise Invalid((), NO_SHAPE) from None
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise BadJson(first["msg"]) from None
        place = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            (),
            f"{NO_SHAPE}: {first['msg']} ({place})",
        ) from None


def parse_csv(data: bytes, max_rows: int) -> list[dict[str, Any]]:
    """Parse the table of a CSV body.

    Args:
        data: The body.
        max_rows: Largest number of rows.

    Returns:
        One dictionary per row, with numbers as floats.

    Raises:
        Invalid: If the body is not UTF-8 or not CSV, a row has the wrong number of cells, or
            there are more than `max_rows` rows.
    """
    lines = max(data.count(b"\n"), data.count(b"\r"))
    cells = max(data.count(b","), data.count(b";"), data.count(b"\t"))
    if lines > MAX_LINES_PER_ROW * max_rows + SPARE or cells > MAX_COLUMNS * (max_rows + 1):
        raise Invalid((), f"The table is too large; send at most {max_rows} rows in one request")
    try:
        text = data.decode("utf-8-sig")
        line = DELIMITER_LINE.match(text)
        if line:
            text = text[line.end() :]
        delimiter = line[1] if line else detect_delimiter(text, last=True) or ","
        records = read_records(text, delimiter)
        header = next(records, [])
        _check_width(header)
        rows = list(islice(records, max_rows + 1))
    except UnicodeDecodeError:
        raise Invalid((), "The body is not UTF-8") from None
    except csv.Error as error:
        raise Invalid((), f"The body is not valid CSV: {error}") from None
    _check_length(rows, max_rows)
    return [
        {name: _parse_cell(cell, delimiter) for name, cell in record.items()}
        for record in _zip_columns(header, rows)
    ]


def rename_columns(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the names of the features instead of their other spellings.

    Raises:
        Invalid: If two columns of a row are the same feature.
    """
    names: dict[str, str] = {}
    renamed = []
    for index, record in enumerate(records):
        for column in record:
            if column not in names:
                names[column] = get_feature_name(column) or column
        row = {names[column]: value for column, value in record.items()}
        if len(row) < len(record):
            counts = Counter(names[column] for column in record)
            twice = next(name for name, count in counts.items() if count > 1)
            raise Invalid([Finding(row=index, field=twice, message="Given twice")])
        renamed.append(row)
    return renamed


def _to_records(invocation: Invocation, max_rows: int) -> list[dict[str, Any]]:
    given = invocation.root
    if isinstance(given, DataframeSplit):
        _check_length(given.dataframe_split.data, max_rows)
        return _zip_columns(given.dataframe_split.columns, given.dataframe_split.data)
    if isinstance(given, DataframeRecords):
        _check_length(given.dataframe_records, max_rows)
        return given.dataframe_records
    table = given.instances if isinstance(given, Instances) else given.inputs
    if isinstance(table, dict):
        if len({len(column) for column in table.values()}) > 1:
            raise Invalid((), "The columns in `inputs` have different lengths")
        _check_width(table)
        _check_length(next(iter(table.values()), []), max_rows)
        return _zip_columns(list(table), [list(row) for row in zip(*table.values(), strict=True)])
    _check_length(table, max_rows)
    if table and isinstance(table[0], dict):
        return table
    return _zip_columns(list(FEATURE_NAMES), table)  # type: ignore[arg-type] # lists otherwise


def _check_width(columns: Collection[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise Invalid(
            (), f"The table has {len(columns)} columns; send the columns {', '.join(FEATURE_NAMES)}"
        )


def _check_length(rows: Collection[object], max_rows: int) -> None:
    if len(rows) > max_rows:
        raise Invalid((), f"The table has too many rows; send at most {max_rows} in one request")


def _zip_columns(columns: list[str], data: list[list[Any]]) -> list[dict[str, Any]]:
    for index, row in enumerate(data):
        if len(row) != len(columns):
            raise Invalid(
                (), f"Row {index} has {len(row)} values, but there are {len(columns)} columns"
            )
    if len(set(columns)) < len(columns):
        raise Invalid((), "A column occurs twice")
    return [dict(zip(columns, row, strict=True)) for row in data]


def _parse_cell(cell: str, delimiter: str) -> float | str | None:
    value = parse_number(cell, delimiter)
    if math.isnan(value):
        return None if HAS_BLANKS and is_blank(cell) else cell
    return value


PARSERS = {"application/json": parse_json, "text/csv": parse_csv}
"""Content types, each with the function that parses a body of this type."""
