"""The promotion log: who moved the `production` alias, when, from which version to which, and why.

Each move is a record, the object `reports/promotions/<number>.json`. `reports/promotions.jsonl`
has a line for each record whose move is done. Only moves.py writes records. A record has the hash
of the one before it, so that promotion_chain.py finds a changed, removed or reordered record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AliasChoices, Field, SerializerFunctionWrapHandler, model_serializer

from pipeline.model.bundle import Lineage
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.lake import Lake, sha256_hex, to_json_bytes
from pipeline.storage.layout import PROMOTION_RECORDS, promotion_record
from pipeline.tracking.registry import MANIFEST_TAG, Version

NO_RECORD = "0" * 64
"""`previous_sha256` of the first record."""

Action = Literal["promote", "verify", "revert", "demote", "rollback", "alarm", "stop", "resume"]


class Approval(Artifact):
    """Who approved a promotion.

    Attributes:
        by: Name of the person.
        reason: Why, in the person's words; may be empty.
    """

    by: str
    reason: str


class Move(Artifact):
    """The aliases and tags that a move sets.

    Attributes:
        origin: Version in production before the move; `from` in JSON.
        to: Version in production after the move.
        previous: Version with the alias `previous` after the move.
        reason: Why production moves.
        rejection_reason: Why `origin` must not be promoted again; None if it may be.
        gates: The gates that `to` passed.
        approval: Who approved the move; None if nobody had to, and then not part of the record.
        hashes: Hashes of `to` and of the data that it was trained on.
    """

    origin: str | None = Field(
        validation_alias=AliasChoices("from", "origin"), serialization_alias="from"
    )
    to: str
    previous: str | None
    reason: str
    rejection_reason: str | None = Field(
        default=None, validation_alias=AliasChoices("rejection_reason", "rejected")
    )
    gates: tuple[GateResult, ...] = ()
    approval: Approval | None = None
    hashes: dict[str, str] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _leave_out_no_approval(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keep the hashes of records that were written before there were approvals."""
        fields: dict[str, Any] = serialize(self)
        if self.approval is None:
            fields.pop("approval", None)
        return fields

    def describe(self) -> str:
        """Return the reason, and who approved the move."""
        if self.approval is None:
            return self.reason
        reason = f": {self.approval.reason}" if self.approval.reason else ""
        return f"{self.reason}; approved by {self.approval.by}{reason}"


class Record(Artifact):
    """A move and its state.

    Records of earlier releases, with the names `by`, `at` and `until`, are accepted too.

    Attributes:
        number: Position in the log, from 1.
        action: Why production moved.
        run_id: The run that moves; None if a person does.
        started_by: User and machine.
        started_at: Time of the start, ISO 8601.
        lock_expires_at: Time before which no other run may move production, unless `done`.
        done: Whether the move is complete.
        resumes: Number of the unfinished record whose move this record completes.
        previous_sha256: `sha256` of the record before this one, NO_RECORD for the first one; None
            in a record of a release that did not have hashes.
        move: What is set.
    """

    number: int
    action: Action
    run_id: str | None
    started_by: str = Field(validation_alias=AliasChoices("started_by", "by"))
    started_at: str = Field(validation_alias=AliasChoices("started_at", "at"))
    lock_expires_at: str = Field(validation_alias=AliasChoices("lock_expires_at", "until"))
    done: bool = False
    resumes: int | None = None
    previous_sha256: str | None = None
    move: Move

    @property
    def owner(self) -> str:
        """Who may complete the move before the lock expires: the run, or the person."""
        return self.run_id or self.started_by

    @property
    def key(self) -> str:
        """The record's key in the lake."""
        return promotion_record(self.number)

    def has_expired(self, margin_seconds: float = 0) -> bool:
        """Whether the lock expires within the next `margin_seconds`."""
        expiry = datetime.fromisoformat(self.lock_expires_at)
        return datetime.now(UTC) + timedelta(seconds=margin_seconds) >= expiry

    @property
    def sha256(self) -> str:
        """SHA-256 of everything in the record but whether the move is done, which changes."""
        return sha256_hex(to_json_bytes(self.model_dump(by_alias=True, exclude={"done"})))

    def to_bytes(self) -> bytes:
        """Return the record as JSON."""
        return to_json_bytes(self.model_dump(by_alias=True))

    def to_line(self) -> str:
        """Return the record as a line of the log, without the state of the lock."""
        facts = self.model_dump(by_alias=True, exclude={"move", "done", "lock_expires_at"})
        return json.dumps(facts | self.move.model_dump(by_alias=True), sort_keys=True) + "\n"


def get_hashes(version: Version) -> dict[str, str]:
    """Select the tags of a version that trace its model and its training data."""
    return {
        key: value
        for key, value in version.tags.items()
        if key in (MANIFEST_TAG, *Lineage.model_fields) or key.startswith("gold_")
    }


def read_records(lake: Lake) -> list[Record]:
    """Read every record, oldest first, including unfinished ones."""
    return [lake.read_model(key, Record) for key in lake.keys(PROMOTION_RECORDS)]


def is_stopped(records: Sequence[Record]) -> bool:
    """Whether, by the log, the answers of the predictors are stopped."""
    actions = [record.action for record in records if record.done]
    return [action for action in actions if action in ("stop", "resume")][-1:] == ["stop"]


def find_record(lake: Lake, run_id: str, action: Action) -> Record | None:
    """Find the last record of an action that a run completed.

    Args:
        lake: The lake with the log.
        run_id: The run.
        action: The action.

    Returns:
        The record, or None if the run has not completed such an action.
    """
    for record in reversed(read_records(lake)):
        if record.done and (record.run_id, record.action) == (run_id, action):
            return record
    return None
