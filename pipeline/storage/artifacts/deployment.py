"""Reports of `validate` and `demote`."""

from __future__ import annotations

from pipeline.storage.artifacts.base import Artifact, Interval
from pipeline.storage.artifacts.evaluation import Evidence
from pipeline.storage.artifacts.gates import GateResult


class ValidationReport(Artifact):
    """Result of `validate`, which `promote` acts on."""

    run_id: str
    created_at: str
    passed: bool
    candidate: str
    """Version that was validated."""
    champion: str | None
    """Version that it was compared with."""
    production: str | None
    """Version that had the alias `production` then."""
    decision: str
    metrics: dict[str, Interval]
    difference: dict[str, Interval]
    """Candidate minus champion, on the same rows."""
    evidence: Evidence | None = None
    """None without a champion, and in reports of earlier releases."""
    test_split_models: int | None = None
    """Number of models that were measured on the test split so far."""
    notes: list[str]
    gates: list[GateResult]


class VersionCheck(Artifact):
    """A version's results on the newest labelled rows outside its training data."""

    version: str
    rows: int
    positives: int
    gates: list[GateResult] | None
    """None if there were too few positive rows."""


class DemotionReport(Artifact):
    """Result of `demote`."""

    run_id: str
    created_at: str
    gold: str
    """Id of the run that wrote the rows."""
    production: VersionCheck
    previous: VersionCheck | None
