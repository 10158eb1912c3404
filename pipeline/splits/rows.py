"""What decides the split of a row: its number, label, term, and the rows that it stays with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.column_file.roles import Time
from pipeline.columns import LABEL
from pipeline.row_hashes import HashArray, hash_rows, mix
from pipeline.storage.lake import Lake
from pipeline.storage.tables import TablePart, read_part
from pipeline.types import BoolArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

BLANK_SEED = 1
"""Seed of the unit of a row whose values are all blank."""


@dataclass(frozen=True)
class Components:
    """The units of values of several columns, which rows connect.

    Attributes:
        values: Hashes of the values, ascending, shape (n_values,).
        units: Unit of each value, shape (n_values,).
    """

    values: HashArray
    units: HashArray


@dataclass(frozen=True)
class DecidingColumns:
    """The columns that decide the split of a row, besides the label.

    Attributes:
        time: The column with the terms, if the table has one.
        unit_names: Names of the columns whose rows with the same value stay together.
        components: The units, if there are several such columns.
    """

    time: Time | None = None
    unit_names: tuple[str, ...] = ()
    components: Components | None = None

    @property
    def names(self) -> list[str]:
        """Names of the columns to read."""
        time = [self.time.name] if self.time else []
        return [LABEL.name, *time, *self.unit_names]


@dataclass(frozen=True)
class DecidingRows:
    """Consecutive rows of a table.

    Attributes:
        first: Number of the first row in the table.
        labels: 1 for the positive class, shape (n_rows,).
        terms: Distinct terms of these rows.
        term_codes: Index of each row's term in `terms`, shape (n_rows,).
        units: Unit of each row, shape (n_rows,); None if each row can be split off from the others.
    """

    first: int
    labels: IntArray
    terms: tuple[str, ...] = ()
    term_codes: IntArray | None = None
    units: HashArray | None = None

    def hash(self, seed: int) -> HashArray:
        """Return the hash of each row's number, shape (n_rows,)."""
        return hash_rows(self.first, self.labels.size, seed)


def read_deciding_rows(lake: Lake, part: TablePart, columns: DecidingColumns) -> DecidingRows:
    """Read what decides the split of the rows of a part.

    Raises:
        LakeError: If the part is missing or has another hash.
    """
    return find_deciding_rows(read_part(lake, part.facts, columns.names), part.first, columns)


def find_deciding_rows(table: pa.Table, first: int, columns: DecidingColumns) -> DecidingRows:
    """Return what decides the split of rows.

    Args:
        table: The rows, with at least the deciding columns.
        first: Number of the first row in the table.
        columns: The deciding columns.
    """
    import pandas as pd

    labels = table[LABEL.name].to_numpy().astype(np.int64, copy=False)
    terms: tuple[str, ...] = ()
    codes = None
    if columns.time:
        codes, found = pd.factorize(table[columns.time.name].to_pandas())
        terms = tuple(found)
    units = None
    if columns.unit_names:
        values = [hash_values(table, name) for name in columns.unit_names]
        units = _find_units(values, first, columns.components)
    return DecidingRows(first, labels, terms, codes, units)


def hash_values(table: pa.Table, name: str) -> tuple[HashArray, BoolArray]:
    """Return the hash of each value of a text column, which depends on the column's name too.

    Args:
        table: The rows.
        name: Name of the column.

    Returns:
        The hashes, shape (n_rows,), and whether each value is known, shape (n_rows,). The hash of
        a blank is 0.
    """
    from pandas.util import hash_array

    encoded = table[name].combine_chunks().dictionary_encode()
    column = hash_array(np.array([name], dtype=object), categorize=False)[0]
    values = encoded.dictionary.to_numpy(zero_copy_only=False)
    hashes = np.append(mix(hash_array(values, categorize=False) ^ column), np.uint64(0))
    codes = encoded.indices.fill_null(-1).to_numpy()  # a blank has the last hash
    return hashes[codes], codes >= 0


def _find_units(
    values: list[tuple[HashArray, BoolArray]], first: int, components: Components | None
) -> HashArray:
    """The unit of each row: that of any of its values; a row without values is its own unit."""
    units = hash_rows(first, values[0][0].size, BLANK_SEED)
    for hashes, is_known in values:
        known = hashes[is_known]
        if components is not None:
            known = components.units[np.searchsorted(components.values, known)]
        units[is_known] = known
    return units
