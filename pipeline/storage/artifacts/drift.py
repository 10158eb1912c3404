"""The rows that the drift check compared, and its requests for retraining."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from pipeline.storage.artifacts.base import Artifact


class ModelIdentity(Artifact):
    """A model, its registered version (None before registration), and its MLflow run."""

    name: str
    version: str | None
    run_id: str
    pipeline_run_id: str | None = None
    """The run whose reports have the model card; None in reports of earlier releases."""


class TrafficObjects(Artifact):
    """Objects of the traffic log in a time window."""

    found: int
    read: int
    """Fewer than were found if the window has more rows than are compared."""
    unreadable: dict[str, str]
    """Key of each object that was skipped, with the reason."""


class DatasetFacts(Artifact):
    """Where the rows of a drift check came from; fields that do not apply are None."""

    source: str
    """What the rows are, for people."""
    rows: int
    object: str | None = None
    """Key in the lake, or path of a file."""
    sha256: str | None = None
    splits: dict[str, str] | None = None
    """SHA-256 of each gold split, by its key."""
    model: ModelIdentity | None = None
    """The model that learned from the rows."""
    since: str | None = None
    until: str | None = None
    """Window of live traffic, in ISO 8601."""
    versions: dict[str, int] | None = None
    """Number of rows that each model version scored."""
    objects: TrafficObjects | None = None


class RetrainingRequest(Artifact):
    """A request for retraining that drift detection made.

    Requests of earlier releases have `asked_at`.
    """

    run_id: str
    requested_at: str = Field(validation_alias=AliasChoices("requested_at", "asked_at"))
