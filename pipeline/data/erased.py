"""The tombstones of erased persons, by which `ingest` leaves out their rows for good."""

from __future__ import annotations

from pipeline.storage.lake import Lake
from pipeline.storage.layout import erased_person


def read_erased_persons(lake: Lake) -> frozenset[str]:
    """Return the identifiers of all erased persons; see Pseudonyms.make_erased_id."""
    prefix, suffix = erased_person("|").split("|")
    keys = lake.keys(prefix)
    return frozenset(key.removeprefix(prefix).removesuffix(suffix) for key in keys)
