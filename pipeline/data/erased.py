"""The tombstones of erased persons, by which `ingest` leaves out their rows for good."""

from __future__ import annotations

from pipeline.storage.lake import Lake
from pipeline.storage.layout import ERASED_PERSONS


def read_erased_persons(lake: Lake) -> frozenset[str]:
    """Return the identifiers of all erased persons; see Pseudonyms.make_erased_id."""
    keys = lake.keys(ERASED_PERSONS)
    return frozenset(key.removeprefix(ERASED_PERSONS).removesuffix(".json") for key in keys)
