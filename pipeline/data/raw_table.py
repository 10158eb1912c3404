"""Write a raw file again without the columns that are not stored, and with pseudonyms for keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pipeline.data.blocks import Block, RawFile
from pipeline.errors import DataError

MAX_LINES = 3
"""Malformed lines that are listed."""


class Rewriter:
    """Drops columns of a raw file, and replaces the values of others.

    A row with too few or too many values is written without values, because any value may belong to
    a column that is not stored. Blank lines are left out. The delimiter is that of the file.

    Attributes:
        header: Text of the new header.
        left_out: Number of rows that were left out so far.
        malformed: Number of rows with too few or too many values so far.
        malformed_lines: Lines at which the first MAX_LINES of them end.
    """

    def __init__(
        self,
        raw: RawFile,
        *,
        drop: Collection[str] = (),
        replace: Mapping[str, Callable[[str], str]] = {},
        leave_out: Mapping[str, Callable[[str], bool]] = {},
    ) -> None:
        """Prepare the new header.

        Args:
            raw: The file.
            drop: Headers of the columns to drop.
            replace: Header of a column -> the function that returns the new value.
            leave_out: Header of a column -> whether rows with a value of it are left out.
        """
        self._raw = raw
        names = next(csv.reader(io.StringIO(raw.header, newline=""), delimiter=raw.delimiter))
        self._width = len(names)
        self._kept = [index for index, name in enumerate(names) if name not in drop]
        self._functions = {names.index(name): make for name, make in replace.items()}
        self._conditions = {names.index(name): matches for name, matches in leave_out.items()}
        self.malformed = self.left_out = 0
        self.malformed_lines: list[int] = []
        file = io.StringIO(newline="")
        self._make_writer(file).writerow([names[index] for index in self._kept])
        self.header = file.getvalue()

    def rewrite(self, block: Block) -> str:
        """Return the new text of a block.

        Raises:
            DataError: If a line cannot be parsed as CSV.
        """
        reader = csv.reader(io.StringIO(block.rows, newline=""), delimiter=self._raw.delimiter)
        file = io.StringIO(newline="")
        writer = self._make_writer(file)
        try:
            for row in reader:
                if len(row) != self._width:
                    if not row:
                        continue
                    self._count_malformed(block.line + reader.line_num)
                    row = [""] * self._width  # noqa: PLW2901 - the row is replaced on purpose
                if any(matches(row[index]) for index, matches in self._conditions.items()):
                    self.left_out += 1
                    continue
                for index, make in self._functions.items():
                    row[index] = make(row[index])
                writer.writerow([row[index] for index in self._kept])
        except csv.Error as error:
            raise DataError(
                f"{self._raw.location}: line {block.line + reader.line_num} cannot be parsed as "
                f"CSV: {error}. Save the file as CSV UTF-8 and try again"
            ) from None
        return file.getvalue()

    def _make_writer(self, file: io.StringIO) -> Any:
        return csv.writer(file, delimiter=self._raw.delimiter, lineterminator="\n")

    def _count_malformed(self, line: int) -> None:
        self.malformed += 1
        if len(self.malformed_lines) < MAX_LINES:
            self.malformed_lines.append(line)
