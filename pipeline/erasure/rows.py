"""Find and remove the rows of a person in the bytes of an object."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import FEATURE_NAMES
from pipeline.data.blocks import BYTE_ORDER_MARK
from pipeline.data.live_traffic import parse_log
from pipeline.data.raw_csv import find_delimiter
from pipeline.storage.parquet import COMPRESSION
from pipeline.types import BoolArray, Float32Array

Row = tuple[float, ...]
"""The features of a row as float32; a blank is minus infinity, which equals itself."""


class Filtered(NamedTuple):
    """An object without the rows of a person.

    Attributes:
        removed: Number of removed rows.
        kept: Number of the other rows.
        data: The bytes without them.
        rows: The removed rows, each by the names of its columns.
    """

    removed: int
    kept: int
    data: bytes
    rows: list[dict[str, object]]


def filter_csv(data: bytes, header: str, matches: Callable[[str], bool]) -> Filtered:
    """Remove rows of a CSV file. The other rows keep their text, but for quotes they do not need.

    Args:
        data: The file. One that is not UTF-8, or lacks the column, has no rows of the person.
        header: Header of a column.
        matches: Whether a row with a value of that column is removed.
    """
    text = data.removeprefix(BYTE_ORDER_MARK).decode(errors="replace")
    delimiter = find_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = next(reader, [])
    if header not in names:
        return Filtered(0, 0, data, [])
    index = names.index(header)
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    removed: list[dict[str, object]] = []
    kept = 0
    for row in reader:
        if len(row) > index and matches(row[index]):
            removed.append(dict(zip(names, row, strict=False)))
        elif row:
            writer.writerow(row)
            kept += 1
    new = file.getvalue().encode() if removed else data
    return Filtered(len(removed), kept, new, removed)


def filter_table(data: bytes, column: str, value: str) -> Filtered:
    """Remove the rows of a Parquet file in which a column has a value.

    Args:
        data: The file. One without the column has no rows of the person.
        column: Name of the column.
        value: The value.
    """
    table = pq.read_table(pa.BufferReader(data))
    if column not in table.column_names:
        return Filtered(0, len(table), data, [])
    matches = np.array([one == value for one in table[column].to_pylist()], bool)
    return _remove(data, table, matches)


def filter_live(data: bytes, rows: set[Row]) -> Filtered:
    """Remove the rows of live traffic with the same features as rows of a person.

    Args:
        data: An object of the traffic log, or a file of an hour.
        rows: The features of the person's rows.
    """
    is_file = data.startswith(b"PAR1")
    table = pq.read_table(pa.BufferReader(data)) if is_file else parse_log(data)
    columns = [table[name].to_numpy(zero_copy_only=False) for name in FEATURE_NAMES]
    matches = _match(np.column_stack(columns).astype(np.float32), rows)
    if is_file or not matches.any():
        return _remove(data, table, matches)
    lines = [line for line in gzip.decompress(data).splitlines() if line.strip()]
    kept = [line + b"\n" for line, matched in zip(lines, matches, strict=True) if not matched]
    removed = table.filter(pa.array(matches)).to_pylist()
    return Filtered(len(removed), len(kept), gzip.compress(b"".join(kept), mtime=0), removed)


def get_features(row: Mapping[str, object]) -> Row:
    """Return the features of a row, as float32.

    Args:
        row: Values by the names of features.
    """
    values = [row.get(name) for name in FEATURE_NAMES]
    return tuple(
        float(np.float32(value))
        if isinstance(value, (int, float)) and not np.isnan(value)
        else float("-inf")
        for value in values
    )


def _match(values: Float32Array, rows: set[Row]) -> BoolArray:
    """Whether each row has the features of one of these rows, shape (n_rows,)."""
    known = np.where(np.isnan(values), np.float32("-inf"), values)
    matched = np.zeros(len(known), bool)
    for row in rows:
        matched |= (known == np.array(row, np.float32)).all(axis=1)
    return matched


def _remove(data: bytes, table: pa.Table, matches: BoolArray) -> Filtered:
    removed = int(matches.sum())
    if not removed:
        return Filtered(0, len(table), data, [])
    kept = table.filter(pa.array(~matches)).combine_chunks()
    file = io.BytesIO()
    pq.write_table(kept, file, compression=COMPRESSION, write_page_checksum=True)
    rows = table.filter(pa.array(matches)).to_pylist()
    return Filtered(removed, len(kept), file.getvalue(), rows)
