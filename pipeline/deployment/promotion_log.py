"""The log of promotions, and the one way to move the alias `production`.

A record is an object `reports/promotions/<number>.json`, whose creation is conditional: of two runs that read the same state only
one gets the next number, and with it the right to move. The record says beforehand what will be set, so it is at once

- the lock: until it is `done`, or its time `until` is over, nobody else may move;
- the intent: after a crash, the next run carries out what it says, whatever had been done of it;
- the history, from which `reports/promotions.jsonl` is written.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import AliasChoices, Field

from pipeline.console import echo, print_table
from pipeline.context import Context, utc_now
from pipeline.errors import LakeError, PromotionError, RegistryError
from pipeline.model.bundle import fallback_matches, write_fallback
from pipeline.storage.artifacts import Artifact, GateResult
from pipeline.storage.lake import Lake, to_json_bytes
from pipeline.storage.layout import PROMOTION_LOG, PROMOTION_RECORDS, promotion_record
from pipeline.tracking.registry import (
    MANIFEST_TAG,
    PREVIOUS,
    PRODUCTION,
    STAGING,
    Registry,
    Version,
)

REJECTED, VERIFIED = "rejected", "verified"
"""Tags of a version: why it may not be promoted; when the live predictors were seen to serve it well."""

Action = Literal["promote", "verify", "revert", "demote", "rollback", "alarm"]
TAGS: dict[Action, str] = {
    "promote": "promoted",
    "verify": VERIFIED,
    "revert": "restored",
    "demote": "restored",
    "rollback": "restored",
}
"""Tag that an action leaves, with its time, on the version that is in production after it."""


class Move(Artifact):
    """What a record is to set."""

    origin: str | None = Field(
        validation_alias=AliasChoices("from", "origin"), serialization_alias="from"
    )
    """Version in production before."""
    to: str
    """Version in production afterwards."""
    previous: str | None
    """Version with the alias `previous` afterwards."""
    reason: str
    rejected: str | None = None
    """Version that may not be promoted any more, for this reason."""
    gates: tuple[GateResult, ...] = ()
    hashes: dict[str, str] = Field(default_factory=dict)
    """What `to` came from, and is."""


class Record(Artifact):
    number: int
    action: Action
    run_id: str | None
    """The run that moves; none, when a person does."""
    by: str
    at: str
    until: str
    """Nobody else may move before this, unless `done`."""
    done: bool = False
    resumes: int | None = None
    """Record of the run that did not come to its end, whose move this one carries out."""
    move: Move

    @property
    def owner(self) -> str:
        return self.run_id or self.by

    @property
    def key(self) -> str:
        return promotion_record(self.number)

    def to_bytes(self) -> bytes:
        return to_json_bytes(self.model_dump(by_alias=True))

    def line(self) -> str:
        """The record as a line of the log."""
        facts = self.model_dump(
            by_alias=True, exclude={"move", "done", "until"}
        ) | self.move.model_dump(by_alias=True)
        return json.dumps(facts, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Aliases:
    staging: Version | None
    production: Version | None
    previous: Version | None


def get_aliases(registry: Registry) -> Aliases:
    """Which version carries which alias now."""
    return Aliases(*(registry.get_by_alias(alias) for alias in (STAGING, PRODUCTION, PREVIOUS)))


def number_or_none(version: Version | None) -> str | None:
    return None if version is None else version.number


def read_records(lake: Lake) -> list[Record]:
    """Every record, oldest first, those too that did not come to their end."""
    return [lake.read_model(key, Record) for key in lake.keys(PROMOTION_RECORDS)]


def find_record(lake: Lake, run_id: str, action: Action) -> Record | None:
    """The last record of what a run has done, or None."""
    found = [
        record
        for record in read_records(lake)
        if record.done and record.run_id == run_id and record.action == action
    ]
    return found[-1] if found else None


def whoami() -> str:
    """The user and machine that move."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a pod's user id has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def move(
    context: Context, action: Action, plan: Callable[[Aliases], Move], run_id: str | None
) -> Record:
    """Carries out what `plan` makes of the aliases, once per run and action; returns its record.

    A move that an earlier run left half done is carried out first; if it was this run's own, nothing more is done.

    Raises:
        PromotionError: another run is moving.
    """
    if (resumed := resume_own_move(context, action, run_id)) is not None:
        return resumed
    lake = context.lake
    records = read_records(lake)
    if records and not records[-1].done:
        unfinished = records[-1]
        if unfinished.owner != (run_id or whoami()) and datetime.now(UTC) < datetime.fromisoformat(
            unfinished.until
        ):
            raise PromotionError(
                f"{unfinished.owner} has been moving `{PRODUCTION}` since {unfinished.at} ({unfinished.action} of version "
                f"{unfinished.move.to}); run this again when it has ended, at {unfinished.until} at the latest"
            )
        records.append(_resume(context, records))
    if run_id is not None and (done := find_record(lake, run_id, action)):
        return done
    # The number was read before the aliases are: whoever moves in between takes it, and its creation fails here.
    record = Record(
        number=records[-1].number + 1 if records else 1,
        action=action,
        run_id=run_id,
        by=whoami(),
        at=utc_now(),
        until=_end(context),
        move=plan(get_aliases(context.registry)),
    )
    return _carry_out(context, record, records)


def resume_own_move(context: Context, action: Action, run_id: str | None) -> Record | None:
    """Carries out what this run, or person, began with this action and did not end, if that is the newest record."""
    records = read_records(context.lake)
    if (
        not records
        or records[-1].done
        or (records[-1].owner, records[-1].action) != (run_id or whoami(), action)
    ):
        return None
    return _resume(context, records)


def _resume(context: Context, records: list[Record]) -> Record:
    """Carries out the newest record's move under a new number, so that of two who resume it one wins."""
    unfinished = records[-1]
    echo(
        f"{unfinished.action}: finishing what {unfinished.owner} began at {unfinished.at} and did not end"
    )
    again = {
        "number": unfinished.number + 1,
        "resumes": unfinished.number,
        "by": whoami(),
        "at": utc_now(),
        "until": _end(context),
    }
    return _carry_out(context, unfinished.model_copy(update=again), records)


def _end(context: Context) -> str:
    end = datetime.now(UTC) + timedelta(seconds=context.settings.deployment.lock_timeout_seconds)
    return end.isoformat(timespec="seconds")


def _carry_out(context: Context, record: Record, earlier: list[Record]) -> Record:
    """Writes the record, then all that it says, then that it is done. Each write may be repeated."""
    lake, registry, what = context.lake, context.registry, record.move
    if not lake.create(record.key, record.to_bytes()):
        raise PromotionError(
            f"another run began to move `{PRODUCTION}` at the same time; run this again when it has ended"
        )

    def in_time() -> Registry:
        """The registry, unless a request to it could outlast the record's time."""
        slack = timedelta(seconds=context.settings.mlflow.max_request_seconds)
        if datetime.now(UTC) + slack > datetime.fromisoformat(record.until):
            raise PromotionError(
                f"{record.action} of version {what.to} took too long and was left half done; run it again, and if it happens "
                "again raise MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS"
            )
        return registry

    if what.previous is not None:
        in_time().set_alias(PREVIOUS, what.previous)
    elif registry.get_by_alias(PREVIOUS) is not None:
        in_time().delete_alias(PREVIOUS)
    in_time().set_alias(PRODUCTION, what.to)
    version = registry.get_version(what.to)
    _copy(lake, in_time, version)
    if what.rejected is not None and what.origin is not None:
        in_time().set_tag(what.origin, REJECTED, what.rejected)
    if REJECTED in version.tags and record.action == "rollback":
        in_time().delete_tag(what.to, REJECTED)
    if record.action in TAGS:
        in_time().set_tag(what.to, TAGS[record.action], record.at)
    done = record.model_copy(update={"done": True})
    in_time()
    lake.write(
        PROMOTION_LOG, "".join(each.line() for each in [*earlier, done] if each.done).encode()
    )
    lake.write(done.key, done.to_bytes())
    return done


def _copy(lake: Lake, in_time: Callable[[], Registry], version: Version) -> None:
    """Puts the version into the lake's `models/`, unless it is there.

    Where it cannot be had the move goes on: a way back must not wait for a copy, and what lies there was in production too.
    """
    sha256 = version.tags.get(MANIFEST_TAG)
    if fallback_matches(lake, sha256):
        return
    try:
        bundle = in_time().get_bundle(version.run_id, sha256)
    except (LakeError, RegistryError) as error:
        echo(f"{lake.url('models')} stays as it was: {error}", "yellow")
    else:
        in_time()
        write_fallback(lake, bundle)


def print_record(record: Record) -> None:
    """The record, for people."""
    print_table(
        f"Production after {record.action}",
        ("alias", "version"),
        (("production", record.move.to), ("previous", record.move.previous or "none")),
    )
