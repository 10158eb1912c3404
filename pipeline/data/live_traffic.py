"""Read the log of live traffic: predictors' small objects, and the hourly files of `compact`.

A predictor writes an object with a few rows every few seconds. `compact` writes the rows of a
finished hour into Parquet files, and then deletes the objects. The metadata of a file has the keys
of its objects, so a reader counts no row twice while both exist.
"""

from __future__ import annotations

import contextlib
import gzip
import heapq
import io
import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import json as arrow_json

from pipeline.columns import FEATURE_NAMES, PROBABILITY
from pipeline.errors import LakeError
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import is_live_traffic_hour, live_traffic_day
from pipeline.storage.parquet import COMPRESSION

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("at", TIME),
        ("request_id", pa.string()),
        ("version", pa.string()),
        *((name, pa.float64()) for name in (PROBABILITY, *FEATURE_NAMES)),
    ]
)
"""Fields of a row. It may have others, of another release or columns file."""
CONTENTS = b"contents"
"""Field of a file's metadata with its Contents, as JSON."""
GROUP_ROWS = 10_000
"""Rows of a row group, which a sample contains as a whole or not at all."""
MAX_LINE_BYTES = 1 << 22
MAX_LISTINGS = 3
"""How often objects are listed if `compact` deletes one of them before it is read."""


class Contents(Artifact):
    """What is in a file of an hour."""

    objects: list[str]
    """Keys of the objects whose rows it has."""


class UnreadableLogError(ValueError):
    """The bytes are no log of live traffic."""


@contextlib.contextmanager
def _raise_unreadable() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, KeyError, ValueError, pa.ArrowException) as error:
        message = str(error) or type(error).__name__
        raise UnreadableLogError(message.splitlines()[0]) from error


def parse_log(data: bytes) -> pa.Table:
    """Parse an object of the log.

    Args:
        data: Gzipped JSON lines, or nothing.

    Returns:
        The rows with the fields of SCHEMA and any others. `at` is a time; a missing field is null.

    Raises:
        UnreadableLogError: If the data are no such log.
    """
    with _raise_unreadable():
        lines = gzip.decompress(data) if data else b""
        if not lines.strip():
            return SCHEMA.empty_table()
        # Arrow's JSON reader knows no times with an offset, so it reads them as text.
        schema = SCHEMA.set(0, SCHEMA.field("at").with_type(pa.string()))
        table = arrow_json.read_json(
            io.BytesIO(lines),
            read_options=arrow_json.ReadOptions(block_size=MAX_LINE_BYTES),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema),
        )
        return table.set_column(0, "at", table["at"].cast(TIME))


def merge_schemas(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """Return the schema of the rows of two objects together.

    Raises:
        UnreadableLogError: If a field has a different type in each.
    """
    with _raise_unreadable():
        return pa.unify_schemas([first, second], promote_options="permissive")


def encode_hour(objects: Mapping[str, pa.Table]) -> bytes:
    """Encode the rows of objects as a file of an hour.

    Args:
        objects: Key -> rows, from `parse_log`, whose schemas can be merged.
    """
    table = pa.concat_tables(objects.values(), promote_options="permissive")
    contents = Contents(objects=[*objects])
    table = table.combine_chunks().replace_schema_metadata({CONTENTS: contents.model_dump_json()})
    file = io.BytesIO()
    pq.write_table(
        table, file, compression=COMPRESSION, row_group_size=GROUP_ROWS, write_page_checksum=True
    )
    return file.getvalue()


class HourFile:
    """A file of an hour.

    Attributes:
        objects: Keys of the objects whose rows it has.
        groups: Number of its row groups.
    """

    def __init__(self, data: bytes) -> None:
        """Read the metadata.

        Args:
            data: The bytes of `encode_hour`.

        Raises:
            UnreadableLogError: If they are no such file.
        """
        with _raise_unreadable():
            self._file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
            metadata = self._file.schema_arrow.metadata or {}
            self.objects = Contents.model_validate_json(metadata[CONTENTS]).objects
        self.groups = self._file.num_row_groups

    def read_group(self, number: int) -> pa.Table:
        """Read a row group.

        Raises:
            UnreadableLogError: If its bytes differ from those that were written.
        """
        with _raise_unreadable():
            return self._file.read_row_group(number)

    def verify(self) -> None:
        """Read every row.

        Raises:
            UnreadableLogError: If the bytes differ from those that were written.
        """
        for number in range(self.groups):
            self.read_group(number)


@dataclass(frozen=True)
class Traffic:
    """Rows of a time window.

    Attributes:
        rows: The rows, or a sample of them.
        found: Number of objects and files of the window's days.
        read: Number of those whose rows were read.
        unreadable: Key of each object and file that was skipped, with the reason.
    """

    rows: pa.Table
    found: int
    read: int
    unreadable: dict[str, str]


def read_window(lake: Lake, since: datetime, until: datetime, max_rows: int, seed: int) -> Traffic:
    """Read the rows that predictors scored in a time window.

    If there are more than `max_rows` rows, whole objects and row groups are chosen at random, so
    that the sample covers all hours and pods.

    Args:
        lake: Where the log is stored.
        since: Start of the window.
        until: End of the window, exclusive.
        max_rows: Number of rows after which no further object or row group is read.
        seed: Seed of the choice.

    Returns:
        The rows with the fields of SCHEMA.

    Raises:
        LakeError: If the lake cannot be read.
    """
    for _ in range(MAX_LISTINGS - 1):
        with contextlib.suppress(_DeletedError):
            return _read_listed(lake, since, until, _Sample(max_rows, seed))
    return _read_listed(lake, since, until, _Sample(max_rows, seed))


class _DeletedError(LakeError):
    """An object was deleted after it had been listed."""


@dataclass
class _Sample:
    """Keeps the units of rows with the smallest random numbers, until they have enough rows.

    The random number of a unit depends only on the seed and its name, so the order of reading does
    not matter.
    """

    max_rows: int
    seed: int
    rows: int = 0
    heap: list[tuple[float, str, pa.Table]] = field(default_factory=list)

    def draw(self, name: str) -> float:
        """The random number of a unit, negated, because the heap has the smallest one first."""
        return -random.Random(f"{self.seed} {name}").random()  # noqa: S311 - a sample, no secret

    def wants(self, name: str) -> bool:
        """Whether the unit belongs to the sample of what was read so far."""
        return self.rows < self.max_rows or self.draw(name) > self.heap[0][0]

    def add(self, name: str, rows: pa.Table) -> None:
        heapq.heappush(self.heap, (self.draw(name), name, rows))
        self.rows += len(rows)
        while self.rows - len(self.heap[0][2]) >= self.max_rows:
            self.rows -= len(heapq.heappop(self.heap)[2])


def _read_listed(lake: Lake, since: datetime, until: datetime, sample: _Sample) -> Traffic:
    """List the objects and files of the window's days, and read them."""
    # An object is stored under the day it was written, which can be the day after its rows.
    keys = [
        key
        for day in _days(since, until + timedelta(days=1))
        for key in lake.keys(live_traffic_day(day))
    ]
    unreadable: dict[str, str] = {}

    def add(name: str, rows: pa.Table) -> None:
        is_inside = pc.and_(
            pc.greater_equal(rows["at"], pa.scalar(since, TIME)),
            pc.less(rows["at"], pa.scalar(until, TIME)),
        )
        sample.add(name, rows.select(SCHEMA.names).filter(is_inside))

    covered: set[str] = set()
    for key in filter(is_live_traffic_hour, keys):
        data = _read(lake, key)
        try:
            file = HourFile(data)
            covered.update(file.objects)
            for number in range(file.groups):
                if sample.wants(f"{key} {number}"):
                    add(f"{key} {number}", file.read_group(number))
        except UnreadableLogError as error:
            unreadable[key] = str(error)
    objects = [key for key in keys if not is_live_traffic_hour(key) and key not in covered]
    for key in sorted(objects, key=sample.draw, reverse=True):
        if sample.wants(key):
            data = _read(lake, key)
            try:
                add(key, parse_log(data))
            except UnreadableLogError as error:
                unreadable[key] = str(error)
    units = sorted(sample.heap, key=lambda unit: unit[1])
    return Traffic(
        rows=pa.concat_tables([SCHEMA.empty_table(), *(rows for *_, rows in units)]),
        found=len([key for key in keys if key not in covered]),
        read=len({name.partition(" ")[0] for _, name, _ in units}),
        unreadable=unreadable,
    )


def _read(lake: Lake, key: str) -> bytes:
    try:
        return lake.read(key)
    except LakeError as error:
        if lake.exists(key):
            raise
        raise _DeletedError(str(error)) from error


def _days(since: datetime, until: datetime) -> Iterator[str]:
    day = since.astimezone(UTC).date()
    while day <= until.astimezone(UTC).date():
        yield day.isoformat()
        day += timedelta(days=1)
