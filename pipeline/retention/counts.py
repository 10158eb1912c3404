"""Count the rows and persons of an item, as far as manifests have them."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.columns import ROLES
from pipeline.retention.rules import LIVE, RUN, Item
from pipeline.storage import layout
from pipeline.storage.artifacts.data import BronzePointer, GoldManifest, SilverManifest
from pipeline.storage.lake import Lake


class Counts(NamedTuple):
    """Rows and persons; None if they are unknown."""

    rows: int | None = None
    persons: int | None = None


def count_rows(lake: Lake, item: Item) -> Counts:
    """Count the rows and the persons of an item.

    Args:
        lake: The lake.
        item: The item.

    Returns:
        The rows, rejected ones included, and the persons.

    Raises:
        LakeError: If a manifest is invalid.
    """
    keys = {one.key for one in item.objects}
    if item.kind == LIVE:
        return Counts(sum(_count_live(lake, key) for key in keys))
    if item.kind != RUN:
        return Counts()
    if layout.bronze_pointer(item.name) in keys:
        return Counts(lake.read_model(layout.bronze_pointer(item.name), BronzePointer).rows)
    if layout.silver_manifest(item.name) in keys:
        silver = lake.read_model(layout.silver_manifest(item.name), SilverManifest)
        return Counts(silver.rows + silver.rejected)
    if layout.gold_manifest(item.name) in keys:
        splits = lake.read_model(layout.gold_manifest(item.name), GoldManifest).splits.values()
        persons = sum(split.persons for split in splits) if ROLES.key else None
        return Counts(sum(split.rows for split in splits), persons)
    return Counts()


def _count_live(lake: Lake, key: str) -> int:
    from pipeline.data.live_traffic import HourFile, UnreadableLogError, parse_log

    try:
        data = lake.read(key)
        if not layout.is_live_traffic_hour(key):
            return len(parse_log(data))
        return HourFile(data).rows
    except UnreadableLogError:
        return 0
