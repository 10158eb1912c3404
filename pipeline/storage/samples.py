"""Read a table in parts: all of its rows, or a random sample that does not depend on the parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.errors import DataError
from pipeline.row_hashes import HashArray, hash_rows
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake
from pipeline.storage.tables import TablePart, locate_parts, read_part
from pipeline.types import IntArray

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LARGEST = (1 << 64) - 1
SPARE = 8
"""Standard deviations by which more hashes are collected than the sample has rows."""


@dataclass(frozen=True)
class Sample:
    """Rows of a table that are read: those of each class with the smallest hashes.

    Attributes:
        seed: Seed of the hashes.
        bounds: For each class, the smallest hash that is not read, shape (2,).
    """

    seed: int
    bounds: HashArray

    def choose(self, first: int, labels: IntArray) -> IntArray:
        """Return the indices of the rows to read, ascending.

        Args:
            first: Number of the first row in the table.
            labels: Labels of consecutive rows, shape (n_rows,).
        """
        return np.flatnonzero(hash_rows(first, labels.size, self.seed) < self.bounds[labels])


@dataclass(frozen=True)
class SampledRows:
    """Rows of a part.

    Attributes:
        table: The rows.
        numbers: Number of each row in the whole table, from 0, shape (n_rows,).
    """

    table: pa.Table
    numbers: IntArray


def find_sample(lake: Lake, parts: Sequence[PartFacts], max_rows: int, seed: int) -> Sample | None:
    """Choose a random sample of a table, stratified by the label.

    Args:
        lake: The lake.
        parts: The parts of the table.
        max_rows: Rows of the sample.
        seed: Seed of the sample; equal seeds give equal samples, whatever the parts.

    Returns:
        The sample; None if the table has no more rows.

    Raises:
        LakeError: If a part is missing or was modified.
    """
    counted = [_count_classes(lake, facts) for facts in parts]
    located = locate_parts(counted)
    positives = sum(facts.positives or 0 for facts in counted)
    rows = sum(facts.rows for facts in counted)
    if rows <= max_rows:
        return None
    of_positives = (2 * max_rows * positives + rows) // (2 * rows)
    totals = np.array([rows - positives, positives])
    quotas = np.array([max_rows - of_positives, of_positives])
    return Sample(seed, _find_bounds(lake, located, totals, quotas, seed))


def read_sample(
    lake: Lake,
    parts: Sequence[PartFacts],
    sample: Sample | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[SampledRows]:
    """Read the rows of a sample, part by part.

    Args:
        lake: The lake.
        parts: The parts of the table.
        sample: The rows to read; None for all.
        columns: Names of the columns to read, with all features and the label; None for all.

    Yields:
        The rows of each part, in the order of the table.

    Raises:
        LakeError: If a part is missing or was modified.
        DataError: If a part has other columns than the columns file.
    """
    first = 0
    for facts in parts:
        table = read_part(lake, facts, columns)
        check_columns(facts.key, table.column_names)
        rows = table.num_rows
        chosen = np.arange(rows)
        if sample is not None:
            chosen = sample.choose(first, table[LABEL.name].to_numpy().astype(np.int64))
            table = table.take(chosen)
        yield SampledRows(table, chosen + first)
        first += rows


def read_table(
    lake: Lake,
    parts: Sequence[PartFacts],
    max_rows: int | None = None,
    seed: int = 0,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table, or a random sample of it, into memory.

    Args:
        lake: The lake.
        parts: The parts of the table.
        max_rows: Largest number of rows; of a larger table, a sample stratified by the label is
            read. None for all rows.
        seed: Seed of the sample.
        columns: Names of the columns to read, with all features and the label; None for all.

    Returns:
        The rows, in the order of the table.

    Raises:
        LakeError: If a part is missing or was modified.
        DataError: If a part has other columns than the columns file.
    """
    import pyarrow as pa

    sample = None if max_rows is None else find_sample(lake, parts, max_rows, seed)
    tables = [rows.table for rows in read_sample(lake, parts, sample, columns)]
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def read_rows_at(lake: Lake, parts: Sequence[PartFacts], numbers: IntArray) -> pd.DataFrame:
    """Read some rows of a table.

    Args:
        lake: The lake.
        parts: The parts of the table.
        numbers: Numbers of the rows in the table, ascending, shape (n,).

    Returns:
        The rows, in the order of `numbers`.

    Raises:
        LakeError: If a part is missing or was modified.
        DataError: If a part has other columns than the columns file.
    """
    import pyarrow as pa

    tables, first = [], 0
    for rows in read_sample(lake, parts):
        start, stop = np.searchsorted(numbers, [first, first + rows.table.num_rows])
        tables.append(rows.table.take(numbers[start:stop] - first))
        first += rows.table.num_rows
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def check_columns(key: str, names: Sequence[str]) -> None:
    """Check that rows have every feature and the label.

    Args:
        key: Key of the rows, for the error.
        names: Names of their columns.

    Raises:
        DataError: If one is missing, because the run that wrote the rows had other columns.
    """
    if missing := [name for name in (*FEATURE_NAMES, LABEL.name) if name not in names]:
        raise DataError(
            f"{key} lacks the columns {', '.join(missing)} of the columns file; it was "
            "written for other columns. Register models of other columns under another name "
            "(MLOPS_MLFLOW__NAME)."
        )


def _count_classes(lake: Lake, facts: PartFacts) -> PartFacts:
    """The facts of a part with its numbers of rows, which some manifests lack."""
    if facts.positives is not None:
        return facts
    labels = _read_labels(lake, facts)
    return facts.model_copy(update={"rows": labels.size, "positives": int(labels.sum())})


def _read_labels(lake: Lake, facts: PartFacts) -> IntArray:
    table = read_part(lake, facts, [LABEL.name])
    if not table.column_names:
        check_columns(facts.key, read_part(lake, facts).column_names)
    labels: IntArray = table[LABEL.name].to_numpy().astype(np.int64)
    return labels


def _find_bounds(
    lake: Lake, parts: Sequence[TablePart], totals: IntArray, quotas: IntArray, seed: int
) -> HashArray:
    """For each class, the hash with the rank of its quota. Hashes that are surely larger are left
    out; if that leaves too few, all are compared."""
    spare = float(SPARE)
    while True:
        limits = [_find_limit(int(quotas[label]), int(totals[label]), spare) for label in (0, 1)]
        below: list[list[HashArray]] = [[], []]
        for part in parts:
            labels = _read_labels(lake, part.facts)
            hashes = hash_rows(part.first, labels.size, seed)
            for label in (0, 1):
                below[label].append(hashes[(labels == label) & (hashes <= limits[label])])
        found = [np.sort(np.concatenate(some)) for some in below]
        # A part has fewer rows than its manifest counts if rows of a person were erased.
        complete = [
            quotas[label] >= (found[label].size if limits[label] == LARGEST else totals[label])
            for label in (0, 1)
        ]
        bounds = [
            LARGEST if complete[label] else int(found[label][quotas[label]])
            for label in (0, 1)
            if complete[label] or quotas[label] < found[label].size
        ]
        if len(bounds) == 2:
            return np.array(bounds, dtype=np.uint64)
        spare *= 4


def _find_limit(quota: int, total: int, spare: float) -> np.uint64:
    """A hash that is probably above `quota` of `total` ones."""
    fraction = (quota + spare * math.sqrt(quota) + spare) / max(total, 1)
    return np.uint64(min(int(fraction * 2.0**64), LARGEST))
