"""The raw file: what can be said of its bytes before any row is looked at."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from pipeline.columns import RAW_HEADER
from pipeline.errors import DataError


def decode_text(data: bytes, place: str) -> str:
    """The file as text.

    Raises:
        DataError: the bytes are empty, a web page, or not UTF-8.
    """
    if not data.strip():
        raise DataError(
            f"{place} is empty; expected a CSV file whose header is {_listed(RAW_HEADER)}"
        )
    if (
        data.lstrip(b"\xef\xbb\xbf \t\r\n")[:15]
        .lower()
        .startswith((b"<!doctype", b"<html", b"<?xml"))
    ):
        raise DataError(
            f"{place} is a web page, not a CSV file: it begins with {data[:40]!r}. Google Drive answers so when a file is not "
            "shared with everyone or its daily quota is used up; share it, try later, or name another source"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{place} is not UTF-8: byte {data[error.start]:#04x} in line {line}; save the file as CSV UTF-8 and try again"
        ) from None


def check_header(text: str, place: str) -> list[str]:
    """Holds the header to the contract; returns the names of the extra columns, which are ignored.

    Raises:
        DataError: a column is missing (with the nearest name that is there) or stands there twice, or there are no rows.
    """
    header = next(csv.reader(io.StringIO(text[:65_536])), [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{place} has the column {_listed(twice)} more than once; keep one of each")
    missing = [name for name in RAW_HEADER if name not in header]
    extra = [name for name in header if name not in RAW_HEADER]
    if missing:
        raise DataError(
            f"{place} lacks the column {_listed(missing)}; its header is {_listed(header)}, expected is {_listed(RAW_HEADER)}"
        )
    if not text.partition("\n")[2].strip():
        raise DataError(f"{place} has a header and no rows; nothing can be learned from it")
    return extra


def count_rows(data: bytes) -> int:
    """Number of lines below the header that are not empty at the end of the file."""
    return data.rstrip(b"\r\n").count(b"\n")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
