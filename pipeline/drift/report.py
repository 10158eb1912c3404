"""The drift report: the JSON document, its verdict in a sentence, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from pipeline.columns import LABEL
from pipeline.drift.columns import Kind
from pipeline.drift.methods import Statistic
from pipeline.model.metrics import flatten_metrics
from pipeline.storage.artifacts.base import Artifact, Interval
from pipeline.storage.artifacts.drift import DatasetFacts

DRIFT, NONE, TOO_FEW = "drift", "none", "not enough data"
"""Verdicts of a report."""

PERFORMANCE_TITLES = {
    "recall": "Recall",
    "precision": "Precision",
    "positive_rate": f"Fraction of '{LABEL.positive}'",
    "roc_auc": "ROC AUC",
}
"""The metrics of the expected performance."""
BLIND_SPOT = (
    "This estimate cannot see concept drift, a changed relation between the features and the "
    "outcome. Only new outcomes show that."
)


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
        return "" if self.mean is None else f"{self.mean:.4g} ± {self.std:.3g}"


class Distribution(Artifact):
    """Fractions of both data sets' rows in the same bins of a number, or values of a category."""

    edges: list[float] | None = None
    labels: list[str] | None = None
    reference: list[float]
    current: list[float]
    blanks: list[float] | None = Field(default=None, exclude_if=lambda blanks: blanks is None)
    """Fractions of the rows of the reference and of the current data in which a number is blank;
    None if it is blank in none."""


class ColumnDrift(Artifact):
    """The result for one column."""

    kind: Kind
    method: str
    statistic: Statistic
    """A p-value below the threshold means drift, a distance at or above it."""
    score: float
    adjusted: float | None = None
    """The p-value adjusted for the number of decisions; None if the column is judged separately."""
    threshold: float
    effect: float
    """Largest difference between the fractions of both sides' rows that have certain values: those
    up to some bound for a number, any set of values for a category."""
    min_effect: float
    """With a smaller effect, the column has not drifted, regardless of its p-value."""
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

    @property
    def shown_score(self) -> str:
        """The score that the rule compares."""
        if self.statistic == "distance":
            return f"{self.statistic} {self.score:.3g}"
        return f"p {self.score if self.adjusted is None else self.adjusted:.3g}"


class JointDrift(Artifact):
    """The result for all features together: a classifier separates current from reference rows."""

    rows: list[int]
    """Rows of the reference and of the current data that were compared."""
    auc: float
    """Cross-fitted ROC AUC of the classifier; 0.5 if it cannot tell the sides apart."""
    score: float
    """The p-value of the AUC, by permutation."""
    adjusted: float | None = None
    """The p-value adjusted for the number of decisions."""
    threshold: float
    effect: float
    """2 AUC - 1."""
    min_effect: float
    drifted: bool = False
    strongest: list[str]
    """Columns and products of columns whose mean differs most."""


class ExpectedPerformance(Artifact):
    """What the model reaches on the current rows if its probabilities are right."""

    threshold: float
    """Probability from which the model predicts positive."""
    rows: int
    predicted_positive: int
    """Rows that the model predicts positive."""
    expected: dict[str, Interval]
    """The metrics of performance.py. The intervals contain the value that the labels would give in
    95 % of the windows."""
    measured: dict[str, Interval]
    """The same metrics on the test rows of the model, the positive rate on its training rows."""

    @property
    def table(self) -> list[tuple[str, str, str]]:
        """The title, the expected value and the measured value of each metric."""
        return [
            (PERFORMANCE_TITLES[name], str(interval), str(self.measured.get(name, "")))
            for name, interval in self.expected.items()
        ]


class DriftedFeatures(Artifact):
    """How many features drifted."""

    drifted: int
    features: int
    fraction: float


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
    joint: JointDrift | None = None
    label: ColumnDrift | None = None
    performance: ExpectedPerformance | None = None
    """None without a model, as for two files."""
    computed_by: str | None = None
    page_sample: int | None = None
    """Rows of each data set that Evidently's page shows, if it does not show all."""
    retraining: str | None = None
    """Whether retraining was requested, and why."""
    source_changes: list[str] = Field(default_factory=list)
    """What the newest raw file has that the columns file does not expect, in sentences."""

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


def count_drifted(columns: Mapping[str, ColumnDrift]) -> DriftedFeatures:
    """Count the drifted features.

    Args:
        columns: Results of the features.
    """
    drifted = sum(column.drifted for column in columns.values())
    return DriftedFeatures(
        drifted=drifted, features=len(columns), fraction=drifted / max(len(columns), 1)
    )


def verdict_sentence(
    columns: Mapping[str, ColumnDrift], prediction: ColumnDrift | None, joint: JointDrift
) -> str:
    """State the verdict in one sentence.

    Args:
        columns: Results of the features.
        prediction: Result of the predictions, if there are any.
        joint: Result of all features together.
    """
    names = [name for name, column in columns.items() if column.drifted]
    listed = f" ({', '.join(names)})" if names else ""
    parts = [f"{len(names)} of {len(columns)} features drifted{listed}"]
    if prediction is not None and prediction.drifted:
        parts.append("the predictions drifted")
    if joint.drifted:
        parts.append("the joint distribution of the features drifted")
    verdict = "Drift" if names or len(parts) > 1 else "No drift"
    return f"{verdict}: {'; '.join(parts)}."


def describe_joint(joint: JointDrift) -> str:
    """Describe what the joint test found, to follow `All features together`."""
    strongest = f", most by {', '.join(joint.strongest)}" if joint.drifted else ""
    return (
        f"a classifier separates current from training rows with ROC AUC "
        f"{joint.auc:.3f} (p {joint.adjusted or joint.score:.3g}): "
        f"{'drifted' if joint.drifted else 'same'}{strongest}."
    )


def to_metrics(report: Report) -> dict[str, float]:
    """Return the metrics of the MLflow run.

    They are the verdict, each column's score and verdict, and the expected performance.

    Args:
        report: A report with a verdict.
    """
    assert report.drifted_features is not None
    assert report.joint is not None
    metrics = {
        "drift": float(report.verdict == DRIFT),
        "drifted_fraction": report.drifted_features.fraction,
        "joint_auc": report.joint.auc,
        "joint_score": report.joint.score,
        "joint_drifted": float(report.joint.drifted),
        "reference_rows": float(report.reference.rows),
        "current_rows": float(report.current.rows),
    }
    for name, column in report.columns("prediction", "label").items():
        metrics |= {f"{name}_score": column.score, f"{name}_drifted": float(column.drifted)}
    if report.performance is not None:
        expected = report.performance.expected
        metrics |= flatten_metrics({f"expected_{name}": expected[name] for name in expected})
    return metrics
