"""Typed models of the JSON documents that pass between stages.

Read and write them with `Lake.read_model` and `Lake.write_model`, at the keys of layout.py.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.settings import TrainSettings
from pipeline.storage.lake import to_json_bytes


class Artifact(BaseModel):
    """A frozen document; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_bytes(self) -> bytes:
        """The document as JSON; equal documents give equal bytes."""
        return to_json_bytes(self.model_dump())


class Interval(Artifact):
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    @property
    def signed(self) -> str:
        """The same for a difference, with signs."""
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


class GateResult(Artifact):
    """A judged gate: `value` must not be below (`min_...`) or above (`max_...`) `bound`."""

    name: str
    bound: float
    reason: str
    value: float | None
    """None if there was nothing to judge; the gate then passes."""
    passed: bool


class BronzePointer(Artifact):
    """The raw file that a run ingested."""

    sha256: str
    source: str
    fetched_at: str
    rows: int
    bytes: int


class SilverManifest(Artifact):
    """What `preprocess` made of a raw file."""

    bronze: str
    """SHA-256 of the raw file."""
    sha256: str
    """SHA-256 of the rows."""
    rows: int
    rejected: int


class SplitFacts(Artifact):
    """One split of gold."""

    sha256: str
    rows: int
    positives: int


class GoldManifest(Artifact):
    """What `features` made of a silver data set."""

    run_id: str
    bronze: str
    silver: str
    splits: dict[str, SplitFacts]
    columns: list[str]
    seed: int
    code_version: str


class TrainInputs(Artifact):
    """Everything that determines the outcome of a training."""

    gold: dict[str, str]
    """SHA-256 of each split."""
    seed: int
    code_version: str
    settings: TrainSettings


class TrainReport(Artifact):
    """What `train` chose and estimated."""

    family: str
    candidate: str
    parameters: dict[str, Any]
    threshold: float
    ranking: dict[str, float]
    """Mean ROC AUC of each candidate in the inner cross-validation, best first."""
    cross_validation: dict[str, Interval]
    validation: dict[str, Interval]
    onnx_difference: float
    out_of_fold: str
    """SHA-256 of the out-of-fold predictions."""
    inputs: TrainInputs
    mlflow_run_id: str
    model_uri: str


class GroupMetrics(Artifact):
    """How a model does on the test rows of one group."""

    name: str
    rows: int
    positives: int
    predicted_positive: int
    true_positives: int
    mean_probability: float


class ChampionReport(Artifact):
    """Candidate and champion, measured on the same test rows."""

    version: str
    run_id: str
    is_identical: bool
    candidate_is_better: bool
    """Whether the candidate passes the gates of `validate` that compare it with the champion."""
    champion_metrics: dict[str, Interval]
    candidate_metrics: dict[str, Interval]
    difference: dict[str, Interval]
    """Candidate minus champion."""


class EvaluationReport(Artifact):
    """What `evaluate` measured and decided."""

    mlflow_run_id: str
    threshold: float
    metrics: dict[str, Interval]
    gates: list[GateResult]
    onnx_difference: float | None
    groups: list[GroupMetrics]
    champion: ChampionReport | None
    notes: list[str]
    decision: str


class ValidationReport(Artifact):
    """What `validate` measured and decided; `promote` acts on it."""

    run_id: str
    created_at: str
    passed: bool
    candidate: str
    """Version that was judged."""
    champion: str | None
    """Version that it was compared with."""
    production: str | None
    """Version that had the alias `production` at that time."""
    decision: str
    metrics: dict[str, Interval]
    difference: dict[str, Interval]
    """Candidate minus champion, on the same rows."""
    notes: list[str]
    gates: list[GateResult]


class VersionCheck(Artifact):
    """How a version did on the newest labelled rows that it did not learn from."""

    version: str
    rows: int
    positives: int
    gates: list[GateResult] | None
    """None if there were too few positive rows to judge."""


class DemotionReport(Artifact):
    """What `demote` measured."""

    run_id: str
    created_at: str
    gold: str
    """Run that made the rows."""
    production: VersionCheck
    previous: VersionCheck | None


class RetrainingRequest(Artifact):
    """A request for retraining that drift detection made."""

    run_id: str
    asked_at: str
