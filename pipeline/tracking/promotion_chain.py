"""Check that the promotion log is complete and unchanged.

Each record has the hash of the one before it, and the version in production has the hash of the
last record as a tag in the registry. Whoever changes, removes or reorders a record must therefore
change every later record, the log and the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from pydantic import ValidationError

from pipeline.errors import PromotionError
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    PROMOTION_LOG,
    PROMOTION_RECORDS,
    STOP_MARKER,
    promotion_record,
)
from pipeline.tracking.promotion_log import NO_RECORD, Record, is_stopped, read_records
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, RECORD_TAG, Version


def verify_log(lake: Lake, production: Version | None) -> int:
    """Check the promotion log of a lake.

    Args:
        lake: The lake with the log.
        production: The version that is in production now, or None.

    Returns:
        The number of records.

    Raises:
        PromotionError: If a record was changed, removed or reordered, or production was moved
            without one.
    """
    objects = {key: lake.read(key) for key in lake.keys(PROMOTION_RECORDS)}
    log = lake.read(PROMOTION_LOG) if lake.exists(PROMOTION_LOG) else b""
    problems = find_problems(objects, log, production)
    if not problems and _was_resumed_secretly(lake):
        problems = [f"{lake.url(STOP_MARKER)} was deleted without a record of `resume`."]
    if problems:
        raise PromotionError(
            f"{lake.url(PROMOTION_LOG)} does not explain what is in `{PRODUCTION}`. "
            + " ".join(problems)
            + " Find out who did it; `python -m pipeline rollback --to VERSION` returns to a"
            " recorded version."
        )
    return len(objects)


def _was_resumed_secretly(lake: Lake) -> bool:
    """Whether answers are stopped by the log, and the marker is missing."""
    return not lake.exists(STOP_MARKER) and is_stopped(read_records(lake))


def is_recorded(lake: Lake, version: Version) -> bool:
    """Whether the newest promotion record moves production to this version and this model."""
    keys = lake.keys(PROMOTION_RECORDS)
    if not keys:
        return False
    move = lake.read_model(keys[-1], Record).move
    sha256 = move.hashes.get(MANIFEST_TAG)
    return move.to == version.number and sha256 in (None, version.tags.get(MANIFEST_TAG))


def find_problems(
    objects: Mapping[str, bytes], log: bytes, production: Version | None
) -> list[str]:
    """Find what was changed in the promotion log.

    Args:
        objects: The content of each record, by key.
        log: The content of `promotions.jsonl`; empty if it does not exist.
        production: The version in production, or None.

    Returns:
        A sentence for each problem; none if the log is complete and unchanged.
    """
    expected = [promotion_record(number) for number in range(1, len(objects) + 1)]
    if sorted(objects) != expected:
        missing = ", ".join(sorted(set(expected) - set(objects)))
        return [f"{missing} is missing: records are numbered from 1 without a gap."]
    records, problems = _parse(objects)
    if problems:
        return problems
    problems = [problem for pair in pairwise(records) for problem in _compare(*pair)]
    if records and records[0].previous_sha256 not in (None, NO_RECORD):
        problems.append(f"{records[0].key} is not the first record that was written.")
    if not _has_lines_of(records, log.decode(errors="replace")):
        problems.append(f"{PROMOTION_LOG} differs from the records.")
    return problems + _check_production(records, production)


def _parse(objects: Mapping[str, bytes]) -> tuple[list[Record], list[str]]:
    """Parse the records, in the order of their keys; return them and what is wrong with each."""
    records, problems = [], []
    for key, data in sorted(objects.items()):
        try:
            record = Record.model_validate_json(data)
        except ValidationError:
            problems.append(f"{key} is not a record.")
            continue
        if record.key != key:
            problems.append(f"{key} has the number {record.number}.")
        elif record.previous_sha256 is not None and record.to_bytes() != data:
            problems.append(f"{key} is not as it was written.")
        records.append(record)
    return records, problems


def _compare(record: Record, following: Record) -> list[str]:
    """Check a record against the one that was written after it."""
    if following.previous_sha256 is None:  # of a release without hashes
        if record.previous_sha256 is None:
            return []
        return [f"{following.key} has no hash of the record before it."]
    if following.previous_sha256 != record.sha256:
        return [f"{record.key} was changed, or is not the record before {following.key}."]
    if record.done == (following.resumes == record.number):
        state = "done, and completed again" if record.done else "unfinished, and not completed"
        return [f"{record.key} is {state} by {following.key}."]
    return []


def _has_lines_of(records: list[Record], log: str) -> bool:
    """Whether the log has the line of each completed move, and no other line."""
    done = [record for record in records if record.done]
    if done and done[-1].previous_sha256 is None:  # the next move writes all lines again
        return True
    lines = "".join(record.to_line() for record in done)
    # The line of a move is written before the move is done.
    current = [each for each in records[-1:] if not each.done and not each.has_expired()]
    return log in (lines, lines + "".join(record.to_line() for record in current))


def _check_production(records: list[Record], production: Version | None) -> list[str]:
    """Check the last record against the registry."""
    if not records or not records[-1].done:
        if production is None or records:  # an unfinished move may have set the alias or not
            return []
        return [f"`{PRODUCTION}` is version {production.number}, and no record has the reason."]
    last = records[-1]
    if production is None or production.number != last.move.to:
        found = "no version" if production is None else f"version {production.number}"
        return [f"`{PRODUCTION}` is {found}, and by {last.key} it is version {last.move.to}."]
    if last.previous_sha256 is not None and production.tags.get(RECORD_TAG) != last.sha256:
        return [f"{last.key} is not the record that moved `{PRODUCTION}` last."]
    return []
