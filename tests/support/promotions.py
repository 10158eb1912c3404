"""The record of a first promotion."""

from __future__ import annotations

from pipeline.storage.lake import Lake
from pipeline.tracking.promotion_log import Move, Record, get_hashes
from pipeline.tracking.registry import Version

TIME = "2026-03-01T08:30:00+00:00"


def write_first_promotion(lake: Lake, version: Version) -> None:
    """Write the record of the completed promotion of a version, as `promote` does."""
    record = Record(
        number=1,
        action="promote",
        run_id="earlier",
        started_by="a",
        started_at=TIME,
        lock_expires_at=TIME,
        done=True,
        move=Move(
            origin=None,
            to=version.number,
            previous=None,
            reason="every gate holds",
            hashes=get_hashes(version),
        ),
    )
    lake.write(record.key, record.to_bytes())
