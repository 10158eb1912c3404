"""Divide a list into parts of whole rows, in one pass over its bytes."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.columns import FEATURE_HEADER
from pipeline.data.blocks import RawFile
from pipeline.errors import SourceError
from pipeline.storage.lake import Lake, sha256_hex


@dataclass(frozen=True)
class ListPart:
    """Consecutive rows of a list.

    Attributes:
        number: Number of the part, from 0.
        start: Offset of its first byte in the list.
        size: Number of bytes.
        sha256: SHA-256 of the bytes.
        line: Number of lines of the list before the part.
        first_row: Number of its first row below the header, from 1.
        rows: Number of rows.
    """

    number: int
    start: int
    size: int
    sha256: str
    line: int
    first_row: int
    rows: int


@dataclass(frozen=True)
class ListFacts:
    """A list that has been divided.

    Attributes:
        sha256: SHA-256 of its bytes.
        size: Number of bytes.
        header: Text of its header.
        parts: Its parts, in the order of the rows.
    """

    sha256: str
    size: int
    header: str
    parts: list[ListPart]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True)
class ListSource:
    """Where a list is.

    Attributes:
        name: Its file name.
        key: Its key in the lake; empty if it is a file of this machine.
        path: Path of the file; None if it is in the lake.
    """

    name: str
    key: str = ""
    path: Path | None = None

    def locate(self, lake: Lake) -> str:
        """Return where the list is, for messages."""
        return lake.url(self.key) if self.path is None else str(self.path)

    def open(self, lake: Lake) -> BinaryIO:
        """Open the list.

        Raises:
            LakeError: If the lake does not have it.
            SourceError: If the file cannot be read.
        """
        if self.path is None:
            return lake.open(self.key)
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(
                f"{self.path} cannot be read: {error.strerror}. Check --data"
            ) from None

    def read(self, lake: Lake, part: ListPart) -> bytes:
        """Read the bytes of a part.

        Raises:
            LakeError: If the lake does not have the list any more.
            SourceError: If the list was changed, or cannot be read.
        """
        if self.path is None:
            data = lake.read_range(self.key, part.start, part.size)
        else:
            with self.open(lake) as file:
                file.seek(part.start)
                data = file.read(part.size)
        if sha256_hex(data) != part.sha256:
            raise SourceError(
                f"{self.locate(lake)} was changed while it was scored. Run the stage again"
            )
        return data


class _HashedFile(io.RawIOBase):
    """Passes bytes on, and remembers their hash and their number."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hash.update(data)
        self.size += len(data)
        return data


def divide_list(file: BinaryIO, location: str, part_bytes: int) -> ListFacts:
    """Check the header of a list, and divide the list into parts.

    Args:
        file: The list, open for reading.
        location: Where it is, for errors.
        part_bytes: Size of a part.

    Raises:
        DataError: If the list is empty, not UTF-8, or lacks a column of FEATURE_HEADER.
    """
    hashed = _HashedFile(file)
    raw = RawFile(cast("BinaryIO", hashed), location, part_bytes, FEATURE_HEADER)
    start, row = raw.start, 1
    parts: list[ListPart] = []
    for block in raw.read_blocks():
        size, sha256 = len(block.data), sha256_hex(block.data)
        if rows := count_rows(block.rows, raw.delimiter):
            parts.append(ListPart(len(parts), start, size, sha256, block.line, row, rows))
        start += size
        row += rows
    return ListFacts(hashed.hash.hexdigest(), hashed.size, raw.header, parts)


def count_rows(text: str, delimiter: str) -> int:
    """Count rows as they are parsed: empty lines are none, and a quoted value may have breaks.

    Args:
        text: Whole rows.
        delimiter: What separates the values.
    """
    has_empty = text.startswith(("\n", "\r")) or "\n\n" in text or "\n\r\n" in text
    has_other_breaks = '"' in text or text.count("\r") != text.count("\r\n")
    if not (has_empty or has_other_breaks):
        return text.count("\n") + (text[-1:] not in ("", "\n"))
    return sum(1 for _ in read_rows(text, delimiter))


def read_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the values of each row; empty lines are no rows."""
    return filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
