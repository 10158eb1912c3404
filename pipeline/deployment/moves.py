"""Move the `production` alias, one move at a time and each one completely.

Before a move changes anything it creates a record of everything that it will set. Creation is
conditional, so if two runs read the same state, only one of them gets the next number and may
move. The record is

- the lock: until it is `done` or `lock_expires_at` has passed, no other run may move production;
- the intent: after a crash, the next run sets everything in the record, even what was set before;
- the history, from which the promotion log is written.

Every write can be repeated without harm.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.deployment.card_updates import describe_version, update_card
from pipeline.errors import LakeError, PromotionError, RegistryError
from pipeline.model.bundle import fallback_matches, write_fallback
from pipeline.storage.layout import MODELS, PROMOTION_LOG
from pipeline.times import utc_now
from pipeline.tracking.promotion_log import (
    NO_RECORD,
    Action,
    Move,
    Record,
    find_record,
    read_records,
)
from pipeline.tracking.registry import (
    MANIFEST_TAG,
    PREVIOUS,
    PRODUCTION,
    RECORD_TAG,
    STAGING,
    Registry,
    Version,
)

REJECTED = "rejected"
"""Tag of a version that must not be promoted; its value is the reason."""
VERIFIED = "verified"
"""Tag of a version that the running predictors served without a problem; its value is the time."""

ACTION_TAGS: dict[Action, str] = {
    "promote": "promoted",
    "verify": VERIFIED,
    "revert": "restored",
    "demote": "restored",
    "rollback": "restored",
}
"""Tag that an action sets, with its time, on the version that is in production after it."""

BY_PEOPLE: tuple[Action, ...] = ("rollback", "stop", "resume")
"""Actions of a person instead of a run."""


@dataclass(frozen=True)
class Aliases:
    """The versions that have an alias now."""

    staging: Version | None
    production: Version | None
    previous: Version | None


def get_aliases(registry: Registry) -> Aliases:
    """Look up the version of each alias."""
    versions = registry.list_aliased()
    return Aliases(versions.get(STAGING), versions.get(PRODUCTION), versions.get(PREVIOUS))


def get_number(version: Version | None) -> str | None:
    """Return the number of a version, or None for no version."""
    return None if version is None else version.number


def name_version(number: str | None) -> str:
    """Name a version in a message: `version 3`, or `no version`."""
    return "no version" if number is None else f"version {number}"


def move(context: Context, action: Action, plan: Callable[[Aliases], Move]) -> Record:
    """Move production, once per run and action.

    An unfinished move of an earlier run is completed first. If the unfinished move is this run's
    own, nothing else is done.

    Args:
        context: The lake, the registry and the run that moves.
        action: Why production moves. One of BY_PEOPLE belongs to a person instead of the run.
        plan: Returns what to set, from the aliases at the time when the move starts.

    Returns:
        The record of the completed move.

    Raises:
        PromotionError: If another run is moving production, or this move took too long.
    """
    if (resumed := resume_own_move(context, action)) is not None:
        return resumed
    lake, run_id = context.lake, _get_run_id(context, action)
    records = read_records(lake)
    if records and not records[-1].done:
        unfinished = records[-1]
        if unfinished.owner != (run_id or get_user()) and not unfinished.has_expired():
            raise PromotionError(
                f"{unfinished.owner} has been moving `{PRODUCTION}` since "
                f"{unfinished.started_at} ({unfinished.action} of version {unfinished.move.to}). "
                f"Try again when that has ended, at the latest at {unfinished.lock_expires_at}."
            )
        records.append(_resume(context, records))
    if run_id is not None and (done := find_record(lake, run_id, action)):
        return done
    # The aliases are read after the number: if another run moves in between, it takes the number,
    # and the creation of this record fails.
    record = Record(
        number=records[-1].number + 1 if records else 1,
        action=action,
        run_id=run_id,
        started_by=get_user(),
        started_at=utc_now(),
        lock_expires_at=_get_lock_expiry(context),
        move=plan(get_aliases(context.registry)),
    )
    return _carry_out(context, record, records)


def resume_own_move(context: Context, action: Action) -> Record | None:
    """Complete the newest move if this run (or person) started it with this action.

    Returns:
        The record of the completed move, or None if there was nothing to complete.
    """
    records = read_records(context.lake)
    if not records or records[-1].done:
        return None
    owner = _get_run_id(context, action) or get_user()
    if (records[-1].owner, records[-1].action) != (owner, action):
        return None
    return _resume(context, records)


def print_aliases(record: Record) -> None:
    """Print which versions have the aliases after a move."""
    print_table(
        f"Production after {record.action}",
        ("alias", "version"),
        ((PRODUCTION, record.move.to), (PREVIOUS, record.move.previous or "none")),
    )


def _get_run_id(context: Context, action: Action) -> str | None:
    return None if action in BY_PEOPLE else context.run_id


def get_user() -> str:
    """Return the user and the machine that run this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user id of a pod has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _resume(context: Context, records: list[Record]) -> Record:
    """Complete the newest move under a new number, so that only one of two runs can."""
    unfinished = records[-1]
    echo(
        f"{unfinished.action}: completing the move that {unfinished.owner} started at "
        f"{unfinished.started_at}"
    )
    changes = {
        "number": unfinished.number + 1,
        "resumes": unfinished.number,
        "started_by": get_user(),
        "started_at": utc_now(),
        "lock_expires_at": _get_lock_expiry(context),
    }
    return _carry_out(context, unfinished.model_copy(update=changes), records)


def _get_lock_expiry(context: Context) -> str:
    timeout = timedelta(seconds=context.settings.deployment.lock_timeout_seconds)
    return (datetime.now(UTC) + timeout).isoformat(timespec="seconds")


def _carry_out(context: Context, record: Record, earlier: list[Record]) -> Record:
    """Create the record, set everything in it, and mark it as done."""
    previous = earlier[-1].sha256 if earlier else NO_RECORD
    record = record.model_copy(update={"previous_sha256": previous})
    lake, planned = context.lake, record.move
    if not lake.create(record.key, record.to_bytes()):
        raise PromotionError(
            f"Another run started to move `{PRODUCTION}` at the same time. Try again when it has "
            "ended."
        )

    def locked() -> Registry:
        """Return the registry; raise if a request could outlast the lock."""
        if record.has_expired(margin_seconds=context.settings.mlflow.max_request_seconds):
            raise PromotionError(
                f"The {record.action} of version {planned.to} took too long and is unfinished. Run "
                "it again. If that does not help, raise MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS."
            )
        return context.registry

    if planned.previous is not None:
        locked().set_alias(PREVIOUS, planned.previous)
    elif context.registry.get_by_alias(PREVIOUS) is not None:
        locked().delete_alias(PREVIOUS)
    locked().set_alias(PRODUCTION, planned.to)
    version = context.registry.get_version(planned.to)
    _update_fallback(context, locked, version)
    if planned.rejection_reason is not None and planned.origin is not None:
        locked().set_tag(planned.origin, REJECTED, planned.rejection_reason)
    if REJECTED in version.tags and record.action == "rollback":
        locked().delete_tag(planned.to, REJECTED)
    locked().set_tag(planned.to, RECORD_TAG, record.sha256)
    if record.action in ACTION_TAGS:
        locked().set_tag(planned.to, ACTION_TAGS[record.action], record.started_at)
    done = record.model_copy(update={"done": True})
    locked()
    completed = [each for each in [*earlier, done] if each.done]
    lake.write(PROMOTION_LOG, "".join(each.to_line() for each in completed).encode())
    _update_cards(context, completed, version)
    lake.write(done.key, done.to_bytes())
    return done


def _update_cards(context: Context, records: list[Record], production: Version) -> None:
    """Write the new status into the cards of the versions that entered and left production."""
    origin = records[-1].move.origin
    versions = [production]
    if origin is not None and origin != production.number:
        try:
            versions.append(context.registry.get_version(origin))
        except RegistryError as error:
            echo(f"the model card of version {origin} is not updated: {error}", "yellow")
    for version in versions:
        if (status := describe_version(version.number, records)) is not None:
            update_card(context.lake, version, status)


def _update_fallback(context: Context, locked: Callable[[], Registry], version: Version) -> None:
    """Copy the version to `models/`, from which predictors start while the registry is down.

    If the bundle cannot be downloaded, keep the old copy: a rollback must not block on it.
    Predictors refuse the old copy (see check_fallback) until a later move replaces it.
    """
    sha256 = version.tags.get(MANIFEST_TAG)
    if fallback_matches(context.lake, sha256):
        return
    try:
        bundle = locked().get_bundle(version.run_id, sha256)
    except (LakeError, RegistryError) as error:
        echo(f"{context.lake.url(MODELS)} is not updated: {error}", "yellow")
    else:
        locked()
        write_fallback(context.lake, bundle)
