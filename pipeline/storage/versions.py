"""A stored version of an object, as a service that keeps old versions lists it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoredVersion:
    """A version of an object.

    Attributes:
        key: Key of the object.
        version: Id of the version; see `Lake.erase`.
        size: Number of bytes.
        modified: When it was written (UTC).
        is_current: Whether it is what a reader of the key gets.
        is_marker: Whether it has no bytes, and marks the object as deleted.
    """

    key: str
    version: str
    size: int
    modified: datetime
    is_current: bool = True
    is_marker: bool = False


def sort_newest_first(versions: Iterable[StoredVersion]) -> list[StoredVersion]:
    """Sort versions of one or more objects from the newest to the oldest, current ones first."""
    return sorted(versions, key=lambda one: (one.is_current, one.modified), reverse=True)
