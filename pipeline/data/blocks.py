"""Read a raw file in blocks of whole rows, so that its size does not decide about the memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.columns import SOURCE_HEADER
from pipeline.data.raw_csv import check_header, check_start, decode_text, find_delimiter
from pipeline.errors import DataError

BLOCK_BYTES = 8 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole rows of a raw file.

    Attributes:
        rows: Their text.
        line: Number of lines of the file before them.
    """

    rows: str
    line: int


class LineCounter:
    """Counts the lines of blocks, without empty lines at the end.

    Attributes:
        count: Number of lines so far.
    """

    def __init__(self) -> None:
        self.count = self._breaks = 0

    def add(self, text: str) -> None:
        """Count the lines of a block."""
        if rows := text.rstrip("\r\n"):
            self.count = self._breaks + rows.count("\n") + 1
        self._breaks += text.count("\n")


class RawFile:
    """A raw file whose header has been checked.

    Attributes:
        location: Where it comes from, for errors.
        header: Text of its header.
        delimiter: Its delimiter.
        unknown: Headers of the other columns.
    """

    def __init__(
        self,
        file: BinaryIO,
        location: str,
        block_bytes: int = BLOCK_BYTES,
        expected: Sequence[str] = SOURCE_HEADER,
    ) -> None:
        """Read the first block and check it.

        Args:
            file: The file, open for reading.
            location: Where it comes from.
            block_bytes: Largest size of a block, and so of a row.
            expected: Headers that it must have.

        Raises:
            MissingColumnsError: If a column is missing.
            DataError: If the file is empty, a web page, not UTF-8, or has a wrong header.
        """
        self.location = location
        self._file, self._block_bytes = file, block_bytes
        start = file.read(block_bytes).removeprefix(BYTE_ORDER_MARK)
        check_start(start, location)
        text = decode_text(start[: start.rfind(b"\n") + 1] or start, location)
        self.unknown = check_header(text, location, expected)
        self.delimiter = find_delimiter(text)
        end = next(_find_row_ends(start, self.delimiter))
        self.header = decode_text(start[:end], location)
        self._rest = start[end:]

    def read_blocks(self) -> Iterator[Block]:
        """Yield the rows below the header, in blocks that end where a row ends.

        A line break inside a quoted value ends no row. Blank lines at the end of the file are left
        out.

        Raises:
            DataError: If the file is not UTF-8, or a row is larger than a block.
        """
        data, self._rest = self._rest, b""
        line = self.header.count("\n")
        while chunk := self._file.read(self._block_bytes):
            end = self._find_border(data, line)
            if not end and len(data) >= self._block_bytes:
                raise DataError(
                    f"{self.location}: the row that begins in line {line + 1} does not end within "
                    f"{self._block_bytes:,} bytes. Check its quotes and line breaks"
                )
            if end:
                yield Block(decode_text(data[:end], self.location, line), line)
                line += data.count(b"\n", 0, end)
            data = data[end:] + chunk
        if data.strip(b"\r\n"):
            yield Block(decode_text(data, self.location, line), line)

    def _find_border(self, data: bytes, line: int) -> int:
        """The end of the last whole row; 0 if there is none."""
        end = data.rfind(b"\n") + 1
        if data.find(b'"', 0, end) == -1:
            return end
        border = 0
        try:
            for row_end in _find_row_ends(data[:end], self.delimiter):
                border = row_end
        except csv.Error as error:
            line += 1 + data.count(b"\n", 0, border)
            raise DataError(
                f"{self.location}: the row that begins in line {line} cannot be parsed as CSV: "
                f"{error}. Save the file as CSV UTF-8 and try again"
            ) from None
        return border


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
