"""Read a CSV file as columns of text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError, SourceError, shorten

DELIMITERS = ",;\t"
MAX_COLUMNS = 200
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        name: Name of the file.
        columns: Header of each column -> its cells, without surrounding spaces.
        rows: Number of rows.
    """

    name: str
    columns: dict[str, list[str]]
    rows: int


def read_table(path: Path) -> Table:
    """Read a CSV file that is separated by commas, semicolons or tabs.

    Args:
        path: The file, in UTF-8 with or without a byte order mark.

    Raises:
        SourceError: If the file cannot be read.
        DataError: If it is not UTF-8, has no rows, too many columns, a column without a name or
            with the name of another, or a row with another number of cells than the header.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8. Save it as CSV UTF-8 and try again.") from None
    try:
        return _parse(text, path.name)
    except csv.Error as error:
        raise DataError(f"{path} cannot be parsed as CSV: {error}.") from None


def _parse(text: str, name: str) -> Table:
    first = next(iter(io.StringIO(text)), "")
    delimiter = max(DELIMITERS, key=lambda one: len(next(csv.reader([first], delimiter=one), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [cell.strip() for cell in next(reader, [])]
    _check_header(header, name)
    rows = []
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{name}, line {reader.line_num}: the row has {len(row)} cells, but the header has "
                f"{len(header)}. Quote cells that contain {delimiter!r}."
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{name} has a header but no rows.")
    columns = (_strip(column) for column in zip(*rows, strict=True))
    return Table(name, dict(zip(header, columns, strict=True)), len(rows))


def _strip(cells: Sequence[str]) -> list[str]:
    """Remove the spaces around cells; equal cells become one object, which is compared faster."""
    stripped = {cell: cell.strip() for cell in set(cells)}
    return [stripped[cell] for cell in cells]


def _check_header(header: list[str], name: str) -> None:
    if len(header) < 2:
        raise DataError(
            f"{name} has one column. Separate the columns by commas, semicolons or tabs."
        )
    if len(header) > MAX_COLUMNS:
        raise DataError(
            f"{name} has {len(header)} columns; at most {MAX_COLUMNS} are supported. Remove the "
            "columns that cannot help to predict the label."
        )
    if "" in header:
        raise DataError(
            f"{name}: column {header.index('') + 1} has no name. Give it one in the header."
        )
    repeated = sorted({one for one in header if header.count(one) > 1})
    if repeated:
        raise DataError(
            f"{name} has more than one column named {shorten(', '.join(map(repr, repeated)))}. "
            "Keep or rename one of them."
        )


def is_number(cell: str) -> bool:
    """Whether a cell is a decimal number."""
    return NUMBER.fullmatch(cell) is not None
