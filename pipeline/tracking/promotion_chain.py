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
from pipeline.model.bundle import MANIFEST, Manifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    PROMOTION_LOG,
    PROMOTION_RECORDS,
    STOP_MARKER,
    model_file,
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


def find_interrupted(lake: Lake) -> str | None:
    """Describe the newest move if it is unfinished and its lock has expired.

    This is no tampering: a run died, and the next move completes its move.

    Returns:
        Two sentences, or None.
    """
    keys = lake.keys(PROMOTION_RECORDS)
    record = lake.read_model(keys[-1], Record) if keys else None
    if record is None or record.done or not record.has_expired():
        return None
    return (
        f"{record.key} is unfinished, and its lock expired at {record.lock_expires_at}: "
        f"{record.owner} started the {record.action} of version {record.move.to} and did not end "
        f"it. Check that this was intended; the next move of `{PRODUCTION}` completes it."
    )


def is_recorded(lake: Lake, version: Version) -> bool:
    """Whether the newest promotion record moves production to this version and this model."""
    recorded = _find_recorded(lake)
    if version.number != next(iter(recorded), None):
        return False
    return recorded[version.number] in (None, version.tags.get(MANIFEST_TAG))


def check_fallback(lake: Lake, manifest: Manifest) -> None:
    """Check that the bundle in the lake's `models/` is the one that was moved to production last.

    While a move is unfinished, the bundle from before it is accepted too. Without promotion
    records, any bundle is accepted: `register` writes the first ones.

    Args:
        lake: The lake.
        manifest: The manifest of the bundle.

    Raises:
        PromotionError: If the promotion records name another bundle.
    """
    recorded = _find_recorded(lake)
    if not recorded or recorded.get(manifest.version or "", "") in (None, manifest.sha256):
        return
    expected = " or ".join(
        f"version {number} with the SHA-256 {known or 'unknown'}"
        for number, known in recorded.items()
    )
    raise PromotionError(
        f"{lake.url(model_file(MANIFEST))} is version {manifest.version} with the SHA-256 "
        f"{manifest.sha256}, but by the promotion records `{PRODUCTION}` is {expected}; it "
        "is refused. Find out who wrote it. The next `promote`, `rollback`, `stop` or `resume` "
        "writes the recorded model there; MLOPS_PREDICTOR__REQUIRE_RECORD=false accepts any model."
    )


def _find_recorded(lake: Lake) -> dict[str, str | None]:
    """Find the versions that are in production by the newest records, the newest one first.

    There are several while a move is unfinished.

    Returns:
        Number of a version -> SHA-256 of its manifest, or None if no record has it. A record that
        leaves production as it is has no hashes; an earlier one of the same version has them.
    """
    found: dict[str, str | None] = {}
    is_complete = False
    for key in reversed(lake.keys(PROMOTION_RECORDS)):
        record = lake.read_model(key, Record)
        number = record.move.to
        if not is_complete:
            found.setdefault(number, None)
        if number in found and found[number] is None:
            found[number] = record.move.hashes.get(MANIFEST_TAG)
        is_complete = is_complete or record.done
        if is_complete and None not in found.values():
            break
    return found


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
    """Check the last record against the registry, or the last done one if a move is unfinished."""
    if records and not records[-1].done and _has_moved(records, production):
        return []
    last = next((record for record in reversed(records) if record.done), None)
    if last is None:
        if production is None:
            return []
        return [f"`{PRODUCTION}` is version {production.number}, and no record has the reason."]
    if production is None or production.number != last.move.to:
        found = "no version" if production is None else f"version {production.number}"
        return [f"`{PRODUCTION}` is {found}, and by {last.key} it is version {last.move.to}."]
    if last.previous_sha256 is not None and production.tags.get(RECORD_TAG) != last.sha256:
        return [f"{last.key} is not the record that moved `{PRODUCTION}` last."]
    return []


def _has_moved(records: list[Record], production: Version | None) -> bool:
    """Whether the newest record, which is unfinished, has moved production already.

    The tag is set after the alias. Until then the version has the tag that it had before: that of
    the last done record that moved production to it, or that of an unfinished record since.
    """
    if production is None or production.number != records[-1].move.to:
        return False
    tags: set[str | None] = {None}
    for record in records:
        if record.move.to == production.number:
            if record.done:
                tags.clear()
            tags.add(None if record.previous_sha256 is None else record.sha256)
    return production.tags.get(RECORD_TAG) in tags
