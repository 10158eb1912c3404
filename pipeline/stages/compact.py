"""Replace the small objects of live traffic by a Parquet file per hour.

For each hour that has ended, reads `silver/live/DAY/POD-NUMBER.jsonl.gz`, writes the rows to
`silver/live/DAY/HOUR-NUMBER.parquet`, reads the file again, and deletes the objects. A large hour
has several files, and so has one with objects that were written late. An object that cannot be read
stays.

The file has the keys of its objects, so a run that was killed loses no row and doubles none: the
next run deletes the objects that a file already has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.live_traffic import (
    SCHEMA,
    HourFile,
    UnreadableLogError,
    encode_hour,
    merge_schemas,
    parse_log,
)
from pipeline.errors import LakeError, StageSkipped
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    SILVER_LIVE,
    find_live_traffic_hour,
    is_live_traffic_hour,
    live_traffic_hour,
)

MAX_FILE_ROWS = 500_000
"""Rows from which an hour gets a further file. They are in memory at once."""


@dataclass
class Hour:
    """The objects and files of an hour."""

    objects: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def run(context: Context, now: datetime | None = None) -> None:
    """Compact the hours that have ended.

    Args:
        context: The run.
        now: The time; by default the current one.

    Raises:
        StageSkipped: If no such hour has objects.
        LakeError: If a file differs from what was written.
    """
    lake = context.lake
    current = f"{now or datetime.now(UTC):%Y-%m-%d %H}"
    hours: defaultdict[tuple[str, str], Hour] = defaultdict(Hour)
    for key in lake.keys(SILVER_LIVE):
        place = find_live_traffic_hour(key)
        if place and " ".join(place) < current:
            hour = hours[place]
            (hour.files if is_live_traffic_hour(key) else hour.objects).append(key)
    waiting = {place: hour for place, hour in sorted(hours.items()) if hour.objects}
    if not waiting:
        raise StageSkipped("No hour that has ended has objects of live traffic")
    deleted = 0
    for (day, name), hour in waiting.items():
        deleted += compact_hour(lake, day, name, hour)
    echo(f"compact: {deleted:,} objects of {len(waiting):,} hours are now in one file per hour")


def compact_hour(lake: Lake, day: str, name: str, hour: Hour) -> int:
    """Write the objects of an hour to files, and delete them.

    Args:
        lake: The lake.
        day: The day (UTC).
        name: The hour, 00 to 23.
        hour: Its objects and files.

    Returns:
        Number of deleted objects.

    Raises:
        LakeError: If a file differs from what was written.
    """
    deleted = sum(delete_covered(lake, key, hour.objects) for key in hour.files)
    for tables in read_batches(lake, hour.objects):
        key = live_traffic_hour(day, name, len(hour.files))
        if not lake.create(key, encode_hour(tables)):
            raise LakeError(
                f"{lake.url(key)} exists already: another run compacts the same hour. Run this "
                "stage again"
            )
        hour.files.append(key)
        deleted += delete_covered(lake, key, hour.objects)
    return deleted


def delete_covered(lake: Lake, key: str, objects: list[str]) -> int:
    """Verify a file, and delete the objects whose rows it has.

    Args:
        lake: The lake.
        key: Key of the file.
        objects: Keys of the objects that exist; the deleted ones are removed.

    Returns:
        Number of deleted objects.

    Raises:
        LakeError: If the file differs from what was written.
    """
    try:
        file = HourFile(lake.read(key))
        file.verify()
    except UnreadableLogError as error:
        raise LakeError(
            f"{lake.url(key)} differs from what was written: {error}. No object was deleted. "
            "Restore the file from a backup, or delete it"
        ) from error
    covered = [found for found in file.objects if found in objects]
    for found in covered:
        lake.delete(found)
        objects.remove(found)
    return len(covered)


def read_batches(lake: Lake, keys: list[str]) -> Iterator[dict[str, pa.Table]]:
    """Yield the rows of objects, in batches of about MAX_FILE_ROWS rows.

    Args:
        lake: The lake.
        keys: Keys of the objects. One that cannot be read is named in the log, and left out.
    """
    batch: dict[str, pa.Table] = {}
    rows, schema = 0, SCHEMA
    for key in [*keys]:
        try:
            table = parse_log(lake.read(key))
            schema = merge_schemas(schema, table.schema)
        except UnreadableLogError as error:
            echo(f"compact: {lake.url(key)} cannot be read, and stays: {error}", "yellow")
            continue
        batch[key] = table
        rows += len(table)
        if rows >= MAX_FILE_ROWS:
            yield batch
            batch, rows, schema = {}, 0, SCHEMA
    if batch:
        yield batch
