"""The drift report: the JSON document, its verdict in a sentence, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from pipeline.drift.columns import Kind
from pipeline.drift.methods import Statistic
from pipeline.storage.artifacts import Artifact, DatasetFacts

DRIFT, NONE, TOO_FEW = "drift", "none", "not enough data"
"""Verdicts of a report."""


class Summary(Artifact):
    """One column of one data set: moments and quartiles of a number, counts of a category."""

    rows: int
    missing: int
    mean: float | None = None
    std: float | None = None
    quartiles: list[float] | None = None
    """Minimum, three quartiles, maximum."""
    counts: dict[str, int] | None = None

    def __str__(self) -> str:
        if self.counts is not None:
            return ", ".join(f"{name} {n / self.rows:.0%}" for name, n in self.counts.items())
        return f"{self.mean:.4g} ± {self.std:.3g}"


class Distribution(Artifact):
    """Fractions of both data sets' rows in the same bins of a number, or values of a category."""

    edges: list[float] | None = None
    labels: list[str] | None = None
    reference: list[float]
    current: list[float]


class ColumnDrift(Artifact):
    """The result for one column."""

    kind: Kind
    method: str
    statistic: Statistic
    """A p-value below the threshold means drift, a distance at or above it."""
    score: float
    threshold: float
    effect: float
    """Largest difference between the fractions of both sides' rows that have certain values: those
    up to some bound for a number, any set of values for a category."""
    min_effect: float
    """With a smaller effect, the column has not drifted, whatever its p-value."""
    drifted: bool
    reference: Summary
    current: Summary
    distribution: Distribution
    outside: float | None = None
    """Fraction of the current rows whose number is outside the range of the reference, or whose
    category does not occur in it."""

    @property
    def rule(self) -> str:
        """When the column has drifted, in short."""
        if self.statistic == "distance":
            return f">= {self.threshold:g}"
        return f"p < {self.threshold:g}, change >= {self.min_effect:.0%}"


class DriftedFeatures(Artifact):
    """How many features drifted."""

    drifted: int
    features: int
    fraction: float
    min_fraction: float
    """The data set drifts if at least this fraction of its features does."""


class Origin(Artifact):
    """Where a report and its two data sets came from."""

    run_id: str
    created: str
    reference: DatasetFacts
    current: DatasetFacts


class Report(Origin):
    """The document drift_report.json."""

    verdict: str
    sentence: str
    drifted_features: DriftedFeatures | None = None
    features: dict[str, ColumnDrift] = Field(default_factory=dict)
    prediction: ColumnDrift | None = None
    label: ColumnDrift | None = None
    computed_by: str | None = None
    page_sample: int | None = None
    """Rows of each data set that Evidently's page shows, if it does not show all."""
    retraining: str | None = None
    """Whether retraining was requested, and why."""

    def columns(self, prediction: str, label: str) -> dict[str, ColumnDrift]:
        """Return the results of all compared columns.

        Args:
            prediction: Name for the column of predictions.
            label: Name for the column of labels.
        """
        others = {prediction: self.prediction, label: self.label}
        return {
            **self.features,
            **{name: column for name, column in others.items() if column is not None},
        }


def count_drifted(columns: Mapping[str, ColumnDrift], min_fraction: float) -> DriftedFeatures:
    """Count the drifted features.

    Args:
        columns: Results of the features.
        min_fraction: The data set drifts if at least this fraction of the features does.
    """
    drifted = sum(column.drifted for column in columns.values())
    return DriftedFeatures(
        drifted=drifted,
        features=len(columns),
        fraction=drifted / len(columns),
        min_fraction=min_fraction,
    )


def verdict_sentence(
    verdict: str, drifted: DriftedFeatures, columns: Mapping[str, ColumnDrift]
) -> str:
    """State the verdict in one sentence.

    Args:
        verdict: DRIFT or NONE.
        drifted: Number of drifted features.
        columns: Results of the features.
    """
    names = ", ".join(name for name, column in columns.items() if column.drifted)
    return (
        f"{'Drift' if verdict == DRIFT else 'No drift'}: {drifted.drifted} of {drifted.features} "
        f"features drifted{f' ({names})' if names else ''}; the data set drifts when at least "
        f"{drifted.min_fraction:.0%} of them do."
    )


def to_metrics(report: Report) -> dict[str, float]:
    """Return the metrics of the MLflow run: the verdict, and each column's score and verdict.

    Args:
        report: A report with a verdict.
    """
    assert report.drifted_features is not None
    metrics = {
        "drift": float(report.verdict == DRIFT),
        "drifted_fraction": report.drifted_features.fraction,
        "reference_rows": float(report.reference.rows),
        "current_rows": float(report.current.rows),
    }
    for name, column in report.columns("prediction", "label").items():
        metrics |= {f"{name}_score": column.score, f"{name}_drifted": float(column.drifted)}
    return metrics
