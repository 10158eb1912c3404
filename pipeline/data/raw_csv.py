"""Checks of the start of a raw file, before any of its rows is parsed."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Sequence

from pipeline.columns import SOURCE_HEADER
from pipeline.errors import DataError, shorten

MAX_HEADER_CHARACTERS = 65_536
DELIMITERS = ",;\t"


class MissingColumnsError(DataError):
    """A raw file lacks columns.

    Attributes:
        missing: Their headers.
        is_other_file: Whether the file has none of the columns.
    """

    def __init__(self, missing: list[str], message: str, *, is_other_file: bool) -> None:
        super().__init__(message)
        self.missing = missing
        self.is_other_file = is_other_file


def check_start(start: bytes, location: str) -> None:
    """Check that a file is neither empty nor a web page.

    Args:
        start: Its first bytes.
        location: Where it is stored, for errors.

    Raises:
        DataError: If it is.
    """
    if not start.strip():
        raise DataError(
            f"{location} is empty. It must be a CSV file with the header {_quote(SOURCE_HEADER)}"
        )
    if start.lstrip(b" \t\r\n")[:15].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise DataError(
            f"{location} is a web page, not a CSV file: it begins with {start[:40]!r}. Google "
            "Drive sends one if the file is not shared with everyone or its daily quota is used "
            "up. Share the file, try again later, or use another source"
        )


def decode_text(data: bytes, location: str, line: int = 0) -> str:
    """Decode whole lines of a raw file.

    Args:
        data: Their bytes.
        location: Where the file is stored, for errors.
        line: Number of lines before them.

    Returns:
        The text.

    Raises:
        DataError: If they are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{location} is not UTF-8: byte {data[error.start]:#04x} in line {line}. Save the file "
            "as CSV UTF-8 and try again"
        ) from None


def find_delimiter(text: str) -> str:
    """Return the delimiter of a raw file: the one that splits its header into the most known names.

    Args:
        text: The file's text.
    """
    start = io.StringIO(text[:MAX_HEADER_CHARACTERS])
    line = next(iter(start), "")

    def count(delimiter: str) -> int:
        with contextlib.suppress(csv.Error):
            header = next(csv.reader([line], delimiter=delimiter), [])
            return sum(name in SOURCE_HEADER for name in header)
        return 0

    return max(DELIMITERS, key=count)


def check_header(text: str, location: str, expected: Sequence[str] | None = None) -> list[str]:
    """Check the header of a raw file, and that there are rows.

    Args:
        text: The file's text.
        location: Where it is stored, for errors.
        expected: Headers that it must have; None for SOURCE_HEADER.

    Returns:
        Names of the other columns.

    Raises:
        MissingColumnsError: If a column is missing.
        DataError: If the header cannot be parsed, if a column appears twice, or if there are no
            rows.
    """
    expected = SOURCE_HEADER if expected is None else expected
    try:
        start = io.StringIO(text[:MAX_HEADER_CHARACTERS])
        header = next(csv.reader(start, delimiter=find_delimiter(text)), [])
    except csv.Error as error:
        raise DataError(
            f"{location} cannot be parsed as CSV: {error}. Save the file as CSV UTF-8 and try again"
        ) from None
    missing = [name for name in expected if name not in header]
    duplicates = sorted({name for name in header if header.count(name) > 1})
    is_other_file = len(missing) == len(expected)  # its first line may be a row of a person
    if duplicates and not is_other_file:
        raise DataError(
            f"{location} has more than one column {shorten(_quote(duplicates))}. Keep one of each"
        )
    if missing:
        found = (
            "Its first line has none of the columns"
            if is_other_file
            else f"Its header is {shorten(_quote(header))}, but must be {_quote(expected)}"
        )
        raise MissingColumnsError(
            missing,
            f"{location} lacks the column {_quote(missing)}. {found}",
            is_other_file=is_other_file,
        )
    if not text.partition("\n")[2].strip():
        raise DataError(f"{location} has a header but no rows")
    return [name for name in header if name not in expected]


def _quote(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
