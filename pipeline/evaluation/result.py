"""The result of evaluating a candidate, and what happens to the candidate next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.data_check.report import DataCheck
from pipeline.evaluation.champion import ChampionComparison
from pipeline.evaluation.gates import describe_failures
from pipeline.model.bundle import Manifest
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.data import SplitFacts
from pipeline.storage.artifacts.evaluation import (
    ChampionReport,
    EvaluationReport,
    Evidence,
    GroupDifference,
    GroupMetrics,
)
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.artifacts.training import TrainReport


@dataclass(frozen=True)
class EvaluationResult:
    """The result of evaluating a candidate.

    Attributes:
        manifest: The candidate's manifest.
        metrics: The candidate's metrics on the test rows.
        onnx_difference: Largest difference in probability between the ONNX model and the trained
            model.
        gates: The gates that `evaluate` judges.
        groups: The candidate's results by group.
        group_rows: What the rows are that groups were measured on.
        group_note: A sentence about the groups that are not shown; empty if all are.
        group_differences: How groups differ from others of the same column.
        comparison: The comparison with the champion; None without a champion.
        beats_champion: Whether the candidate passes the gates of `validate` that compare it with
            the champion.
        evidence: Evidence over all runs against the champion; None without a champion.
        test_split_models: Number of models that were measured on the test split so far.
        splits: Rows of each gold split.
        left_out: Older rows of persons or groups in the test split, which are in no split.
        training: The report of `train`.
        data_check: What `preprocess` found in the rows; None in runs of earlier releases.
        gate_notes: Sentences about what the gates measured.
        comparison_notes: Sentences about the rows of the comparison, or why there is none.
        sample_notes: A sentence about the test rows, if they are a sample.
    """

    manifest: Manifest
    metrics: Mapping[str, Interval]
    onnx_difference: float
    gates: Sequence[GateResult]
    groups: Sequence[GroupMetrics]
    group_rows: str
    group_differences: Sequence[GroupDifference]
    comparison: ChampionComparison | None
    beats_champion: bool
    splits: Mapping[str, SplitFacts]
    training: TrainReport
    left_out: int = 0
    group_note: str = ""
    evidence: Evidence | None = None
    test_split_models: int = 1
    data_check: DataCheck | None = None
    gate_notes: tuple[str, ...] = ()
    comparison_notes: tuple[str, ...] = ()
    sample_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """All notes."""
        return (*self.sample_notes, *self.gate_notes, *self.comparison_notes)

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def decision(self) -> str:
        """What happens to the candidate, in a sentence."""
        if not self.passed:
            failures = describe_failures(self.gates)
            return f"The candidate is rejected and production does not change: {failures}."
        registered = "The candidate passed every gate and is registered as `staging`"
        comparison = self.comparison
        if comparison is None:
            return f"{registered}. There is no champion to compare it with."
        champion = f"version {comparison.version}, the champion"
        if comparison.is_identical:
            return f"{registered}. It is identical to {champion}, which stays in production."
        difference = comparison.difference["roc_auc"]
        interval = (
            f"ROC AUC {difference.value:+.3f} on the same rows, 95 % interval "
            f"{difference.low:+.3f} to {difference.high:+.3f}"
        )
        if self.beats_champion:
            return f"{registered}. It can replace {champion} ({interval}); `validate` decides."
        return (
            f"{registered}. Nothing shows yet that it should replace {champion} ({interval}), "
            "which stays in production."
        )

    def to_report(self) -> EvaluationReport:
        """Return the report that `register` acts on."""
        return EvaluationReport(
            mlflow_run_id=self.manifest.run_id,
            threshold=self.manifest.threshold,
            metrics=dict(self.metrics),
            gates=list(self.gates),
            onnx_difference=self.onnx_difference,
            groups=list(self.groups),
            group_rows=self.group_rows,
            group_note=self.group_note,
            group_differences=list(self.group_differences),
            champion=self._to_champion_report(),
            evidence=self.evidence,
            test_split_models=self.test_split_models,
            notes=list(self.notes),
            decision=self.decision,
        )

    def _to_champion_report(self) -> ChampionReport | None:
        comparison = self.comparison
        if comparison is None:
            return None
        return ChampionReport(
            version=comparison.version,
            run_id=comparison.champion.bundle.manifest.run_id,
            is_identical=comparison.is_identical,
            candidate_is_better=self.beats_champion,
            champion_metrics=dict(comparison.champion_metrics),
            candidate_metrics=dict(comparison.candidate_metrics),
            difference=dict(comparison.difference),
        )
