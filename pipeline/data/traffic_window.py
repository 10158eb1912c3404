"""Read the rows of live traffic in a time window, or a sample of them."""

from __future__ import annotations

import contextlib
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.live_traffic import SCHEMA, TIME, HourFile, UnreadableLogError, parse_log
from pipeline.errors import LakeError
from pipeline.storage.lake import Lake
from pipeline.storage.layout import is_live_traffic_hour, live_traffic_day

MAX_LISTINGS = 3
"""How often objects are listed if `compact` deletes one of them before it is read."""


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
