"""Read a raw file in blocks of whole rows, so that its size does not decide about the memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.data.raw_csv import check_header, check_start, decode_text, find_delimiter
from pipeline.errors import DataError

BLOCK_BYTES = 8 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def choose_block_bytes(part_bytes: int) -> int:
    """Return the size of blocks by which a file is divided into parts of a size."""
    return min(BLOCK_BYTES, part_bytes)


@dataclass(frozen=True)
class Block:
    """Whole rows of a raw file, as UTF-8.

    Attributes:
        data: Their bytes.
        line: Number of lines of the file before them.
    """

    data: bytes
    line: int

    @property
    def rows(self) -> str:
        """Their text."""
        return self.data.decode()


class LineCounter:
    """Counts the lines of blocks, without empty lines at the end.

    Attributes:
        count: Number of lines so far.
    """

    def __init__(self) -> None:
        self.count = self._breaks = 0

    def add(self, data: bytes) -> None:
        """Count the lines of a block."""
        breaks = data.count(b"\n")
        if rows := data.rstrip(b"\r\n"):
            self.count = self._breaks + breaks - data.count(b"\n", len(rows)) + 1
        self._breaks += breaks


class RawFile:
    """A raw file whose header has been checked.

    Attributes:
        location: Where it comes from, for errors.
        header: Text of its header.
        delimiter: Its delimiter.
        unknown: Headers of the other columns.
        start: Number of bytes before the first row.
    """

    def __init__(
        self,
        file: BinaryIO,
        location: str,
        block_bytes: int = BLOCK_BYTES,
        expected: Sequence[str] | None = None,
    ) -> None:
        """Read the first block and check it.

        Args:
            file: The file, open for reading.
            location: Where it comes from.
            block_bytes: Largest size of a block, and so of a row.
            expected: Headers that it must have; None for SOURCE_HEADER.

        Raises:
            MissingColumnsError: If a column is missing.
            DataError: If the file is empty, a web page, not UTF-8, or has a wrong header.
        """
        self.location = location
        self._file, self._block_bytes = file, block_bytes
        first = file.read(block_bytes)
        start = first.removeprefix(BYTE_ORDER_MARK)
        check_start(start, location)
        text = decode_text(start[: start.rfind(b"\n") + 1] or start, location)
        self.unknown = check_header(text, location, expected)
        self.delimiter = find_delimiter(text)
        end = find_row_end(start, self.delimiter)
        self.header = decode_text(start[:end], location)
        self.start = len(first) - len(start) + end
        self._rest = start[end:]

    def read_blocks(self) -> Iterator[Block]:
        """Yield the rows below the header; see `RowReader.read_blocks`."""
        reader = RowReader(self._file, self.location, self.delimiter, self._block_bytes)
        return reader.read_blocks(self._rest, self.header.count("\n"))


class RowReader:
    """Reads rows in blocks of a bounded size."""

    def __init__(self, file: BinaryIO, location: str, delimiter: str, block_bytes: int) -> None:
        """Prepare to read.

        Args:
            file: Rows without a header, open for reading.
            location: Where they come from, for errors.
            delimiter: Their delimiter.
            block_bytes: Largest size of a block, and so of a row.
        """
        self._file, self._location = file, location
        self._delimiter, self._block_bytes = delimiter, block_bytes

    def read_blocks(self, start: bytes = b"", line: int = 0) -> Iterator[Block]:
        """Yield the rows in blocks that end where a row ends.

        A line break inside a quoted value ends no row. Blank lines at the end are left out.

        Args:
            start: Rows before those of the file.
            line: Number of lines before all of them.

        Raises:
            DataError: If they are not UTF-8, or a row is larger than a block.
        """
        data = start
        while chunk := self._file.read(self._block_bytes):
            end = self._find_border(data, line)
            if not end and len(data) >= self._block_bytes:
                raise DataError(
                    f"{self._location}: the row that begins in line {line + 1} does not end within "
                    f"{self._block_bytes:,} bytes. Check its quotes and line breaks"
                )
            if end:
                yield self._make_block(data[:end], line)
                line += data.count(b"\n", 0, end)
            data = data[end:] + chunk
        if data.strip(b"\r\n"):
            yield self._make_block(data, line)

    def _make_block(self, data: bytes, line: int) -> Block:
        if not data.isascii():
            decode_text(data, self._location, line)
        return Block(data, line)

    def _find_border(self, data: bytes, line: int) -> int:
        """The end of the last whole row; 0 if there is none."""
        end = data.rfind(b"\n") + 1
        if data.find(b'"', 0, end) == -1:
            return end
        border = 0
        try:
            for row_end in _find_row_ends(data[:end], self._delimiter):
                border = row_end
        except csv.Error as error:
            line += 1 + data.count(b"\n", 0, border)
            raise DataError(
                f"{self._location}: the row that begins in line {line} cannot be parsed as CSV: "
                f"{error}. Save the file as CSV UTF-8 and try again"
            ) from None
        return border


def find_row_end(data: bytes, delimiter: str) -> int:
    """Return where the first row ends, in bytes from the start."""
    return next(_find_row_ends(data, delimiter))


def _find_row_ends(data: bytes, delimiter: str) -> Iterator[int]:
    """Where each row ends that is whole, in bytes from the start."""
    lines = io.StringIO(data.decode("latin-1"), newline="")  # a character per byte
    size, has_ended = 0, False

    def read_lines() -> Iterator[str]:
        nonlocal size, has_ended
        for line in lines:
            size += len(line)
            yield line
        has_ended = True

    for _ in csv.reader(read_lines(), delimiter=delimiter):
        if has_ended:  # inside a quoted value
            return
        yield size
