"""Parse raw rows into columns of cells, each of which holds its different texts once.

A cell is text, as it is in the file. A column of a few thousand different texts is translated and
checked text by text instead of row by row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from pipeline.column_file.blanks import is_blank
from pipeline.columns import SOURCE_HEADER
from pipeline.data.raw_csv import find_delimiter
from pipeline.errors import DataError
from pipeline.types import FloatArray, IntArray

RAGGED = "ragged"
CELL_TYPE = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Cells:
    """A column of raw cells.

    Attributes:
        texts: The different texts, shape (n_texts,).
        places: The place of each row's text in `texts`, shape (n_rows,); -1 for a row that ends
            before this column.
    """

    texts: NDArray[Any]
    places: IntArray

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Cells:
        """Return the cells of a column of `parse_csv`."""
        categorical = column.array
        return cls(categorical.categories.to_numpy(object), categorical.codes)

    def spread(self, values: NDArray[Any], missing: Any) -> NDArray[Any]:
        """Return the value of each row.

        Args:
            values: The value of each text, shape (n_texts,).
            missing: The value of a row without the column.
        """
        spread: NDArray[Any] = np.append(values, np.array([missing], values.dtype))[self.places]
        return spread

    def to_floats(self) -> FloatArray:
        """Return the number that each text is, shape (n_texts,); NaN if it is none."""
        try:
            numbers = pc.cast(pa.array(self.texts, pa.string()), pa.float64()).to_numpy()
        except pa.ArrowInvalid:  # at least one of them is no number
            numbers = pd.to_numeric(pd.Series(self.texts, dtype=object), errors="coerce")
        return np.array(numbers, np.float64)

    def find_blanks(self) -> NDArray[np.bool_]:
        """Return whether each text is blank, shape (n_texts,)."""
        return np.fromiter(map(is_blank, self.texts), np.bool_, len(self.texts))


def parse_csv(data: bytes, line: int = 0, columns: Sequence[str] = SOURCE_HEADER) -> pd.DataFrame:
    """Parse the columns of the contract.

    Args:
        data: A header and rows.
        line: Number of lines of the file between the header and the rows, for errors.
        columns: Headers of the columns to parse.

    Returns:
        The columns under their raw names, as categories of text. The last values of a short row
        are missing; the last value of a long row holds all the rest. `attrs` has the item RAGGED
        if there may be such rows.

    Raises:
        DataError: If a line cannot be parsed.
    """
    frame: pd.DataFrame
    delimiter = find_delimiter(data[: data.find(b"\n") + 1].decode())
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(data),
            # One chunk, so that each column has one list of texts.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, CELL_TYPE),
                include_columns=list(columns),
            ),
        )
    except pa.ArrowInvalid:  # a row is too short or too long
        frame = _parse_rows(data.decode(), delimiter, line)[list(columns)].astype("category")
        frame.attrs[RAGGED] = True
        return frame
    frame = table.to_pandas()
    return frame


def _parse_rows(text: str, delimiter: str, line: int) -> pd.DataFrame:
    """Parse row by row, which is slower, and also reads rows of other lengths."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = next(reader)
    last = len(header) - 1
    try:
        rows: list[Sequence[str | None]] = [
            [*row[:last], delimiter.join(row[last:])]
            if len(row) > last
            else [*row, *[None] * (last + 1 - len(row))]
            for row in reader
            if row
        ]
    except csv.Error as error:
        line += reader.line_num
        raise DataError(f"line {line} cannot be parsed as CSV: {error}") from None
    return pd.DataFrame(rows, columns=header, dtype=object)
