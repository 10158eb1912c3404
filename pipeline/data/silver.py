"""Turn a raw file into silver in blocks: a function of a block, and a merge of its results.

The results do not depend on the size of the blocks, with one exception: a rejected row of a block
in which every value is a number is stored with its numbers (`25.0`), and that of another block with
its text (`25`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import LABEL
from pipeline.data.blocks import Block
from pipeline.data.contract import count_blanks, parse_csv, validate_rows
from pipeline.data.source_changes import NewValues, count_new_values
from pipeline.storage.parquet import COMPRESSION, get_schema, to_table

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.storage.streams import NewFile

BLOCK_BYTES = 4 << 20
"""Size of a block of raw text. As a table it needs up to thirty times as much memory."""
ROW_GROUP_VALUES = 1 << 21
"""Values of a row group of silver: rows times columns. They are in memory at once."""


@dataclass(frozen=True)
class ValidatedBlock:
    """Result of a block.

    Attributes:
        rows: Number of raw rows.
        valid: Valid rows, with the names and types of silver.
        rejected: Rejected rows with `row`, their number within the block from 1, and `reason`.
        blanks: Number of blanks in each column that has any.
        new_values: Values of categories and of the label that the columns file does not have.
    """

    rows: int
    valid: pd.DataFrame
    rejected: pd.DataFrame
    blanks: dict[str, int]
    new_values: NewValues


def validate_block(header: str, block: Block) -> ValidatedBlock:
    """Validate the rows of a block.

    Args:
        header: Text of the file's header.
        block: At least one row.

    Raises:
        DataError: If a line cannot be parsed.
    """
    raw = parse_csv(header + block.rows, block.line - header.count("\n"))
    valid, rejected = validate_rows(raw)
    return ValidatedBlock(
        len(raw), valid, rejected, count_blanks(valid), count_new_values(rejected)
    )


class SilverMerge:
    """Merges the results of blocks, in the order of the file, in a `with` block.

    Attributes:
        rows: Number of raw rows so far.
        valid: Number of valid rows.
        positives: Number of valid rows of the positive class.
        rejected: Number of rejected rows.
        first_rejected: Number of the first rejected row, and the reason.
        blanks: Number of blanks in each column that has any.
        new_values: Values of categories and of the label that the columns file does not have.
    """

    def __init__(self, rows_file: NewFile, rejected_file: NewFile) -> None:
        """Begin with no rows.

        Args:
            rows_file: An empty file for the valid rows, as Parquet.
            rejected_file: An empty file for the rejected rows, as CSV.
        """
        self.rows = self.valid = self.positives = self.rejected = 0
        self.first_rejected: tuple[int, str] | None = None
        self.blanks: Counter[str] = Counter()
        self.new_values = NewValues()
        self._rejected_file = rejected_file
        schema = get_schema()
        self._writer = pq.ParquetWriter(rows_file, schema, compression=COMPRESSION)
        self._group_rows = max(1, ROW_GROUP_VALUES // len(schema))
        self._pending = schema.empty_table()

    def add(self, block: ValidatedBlock) -> None:
        """Append the rows of a block to the files."""
        if len(block.rejected):
            rejected = block.rejected.assign(row=block.rejected["row"] + self.rows)
            is_first = self.first_rejected is None
            self._rejected_file.write(rejected.to_csv(index=False, header=is_first).encode())
            if is_first:
                first = rejected.iloc[0]
                self.first_rejected = (int(first["row"]), str(first["reason"]))
        self.rows += block.rows
        self.valid += len(block.valid)
        self.positives += int(block.valid[LABEL.name].sum())
        self.rejected += len(block.rejected)
        self.blanks.update(block.blanks)
        self.new_values.update(block.new_values)
        self._pending = pa.concat_tables([self._pending, to_table(block.valid)])
        while self._pending.num_rows >= self._group_rows:
            self._write_group(self._group_rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Write the last rows, unless there was an error, and the end of the Parquet file."""
        if error is None:
            self._write_group(self._pending.num_rows)
        self._writer.close()

    def _write_group(self, rows: int) -> None:
        # In one chunk, because the bytes of a row group depend on its chunks.
        group = self._pending.slice(0, rows).combine_chunks()
        self._writer.write_table(group, row_group_size=max(rows, 1))
        self._pending = self._pending.slice(rows)
