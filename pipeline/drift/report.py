"""The drift report: its documents, and the comparison of two data sets column by column.

Scores come from Evidently's DataDriftPreset. With more rows than `drift.max_evidently_rows`, and
for methods that Evidently lacks, they come from methods.py; Evidently then draws its page from a
sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.drift.columns import Column, Kind
from pipeline.drift.counts import Counts, count_values
from pipeline.drift.methods import Plan, Statistic, plan_comparison
from pipeline.errors import DataError
from pipeline.storage.artifacts import Artifact

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings import DriftSettings

DRIFT, NONE, TOO_FEW = "drift", "none", "not enough data"
"""Verdicts of a report."""
BINS = 20
"""Bins of a number's distribution in the report."""
TAIL = 0.001
"""Fraction of the rows at each end that share the outermost bins of a distribution."""


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
    """Fractions of the rows in the same bins (number) or values (category) of both data sets."""

    edges: list[float] | None = None
    labels: list[str] | None = None
    reference: list[float]
    current: list[float]


class ColumnDrift(Artifact):
    """The result for one column."""

    kind: Kind
    method: str
    statistic: Statistic
    """A p-value means drift below its threshold, a distance from its threshold upwards."""
    score: float
    threshold: float
    drifted: bool
    reference: Summary
    current: Summary
    distribution: Distribution


class DriftedFeatures(Artifact):
    """How many features drifted."""

    drifted: int
    features: int
    fraction: float
    min_fraction: float
    """The data set drifts from this fraction upwards."""


class Origin(Artifact):
    """Where a report and its two data sets came from."""

    run_id: str
    created: str
    reference: dict[str, Any]
    current: dict[str, Any]


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
        """All compared columns; the prediction and the label under the given names."""
        others = {prediction: self.prediction, label: self.label}
        return {
            **self.features,
            **{name: column for name, column in others.items() if column is not None},
        }


@dataclass(frozen=True)
class Comparison:
    """Compared columns, and Evidently's page about them."""

    columns: dict[str, ColumnDrift]
    computed_by: str
    page: bytes
    page_sample: int | None


def compare_columns(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[Column],
    settings: DriftSettings,
    seed: int,
) -> Comparison:
    """Compare two data sets column by column.

    Args:
        reference: Rows that the model learned from; floats or NaN. The frame stays unchanged.
        current: Rows to compare with them; the same columns.
        columns: The columns to compare.
        settings: Methods, thresholds and sizes.
        seed: Seed of the sample for Evidently's page.

    Raises:
        DataError: If a column has no value at all in one of the data sets.
    """
    from pipeline.drift import evidently_report

    pairs = {column.name: _count(column, reference, current) for column in columns}
    plans = [plan_comparison(column, *pairs[column.name], settings) for column in columns]
    sample = None
    if max(len(reference), len(current)) > settings.max_evidently_rows:
        sample = settings.report_sample_rows
        reference, current = (
            frame.sample(min(sample, len(frame)), random_state=seed)
            for frame in (reference, current)
        )
    drawn = evidently_report.draw(reference, current, plans, settings.min_drifted_fraction, sample)
    results = {}
    for plan in plans:
        name = plan.column.name
        if sample or plan.method.evidently_title is None:
            score, is_drift = plan.evaluate(*pairs[name])
        else:
            score, is_drift = drawn.scores[name]
        results[name] = describe_column(plan, score, is_drift, *pairs[name])
    computed_by = f"Evidently {evidently_report.version()}" + (
        ", its methods on value counts of all rows" if sample else ""
    )
    return Comparison(results, computed_by, drawn.page, sample)


def _count(column: Column, reference: pd.DataFrame, current: pd.DataFrame) -> tuple[Counts, Counts]:
    pair = (
        count_values(reference[column.name].to_numpy(float)),
        count_values(current[column.name].to_numpy(float)),
    )
    for side, which in zip(pair, ("reference", "current data"), strict=True):
        if side.rows == 0:
            raise DataError(
                f"The column '{column.name}' has no value in any row of the {which}, "
                "so it cannot be compared. Check the source of these rows."
            )
    return pair


def describe_column(
    plan: Plan, score: float, is_drift: bool, reference: Counts, current: Counts
) -> ColumnDrift:
    """A column's result with both summaries and the distribution."""
    if math.isnan(score):  # a test of a single value: no evidence of drift
        score = 1.0 if plan.method.statistic == "p-value" else 0.0
    return ColumnDrift(
        kind=plan.column.kind,
        method=plan.method.name,
        statistic=plan.method.statistic,
        score=score,
        threshold=plan.threshold,
        drifted=is_drift,
        reference=summarize(plan.column, reference),
        current=summarize(plan.column, current),
        distribution=distribution(plan.column, reference, current),
    )


def summarize(column: Column, side: Counts) -> Summary:
    """Moments and quartiles of a number, counts of a category."""
    if column.kind == "category":
        pairs = zip(side.values.tolist(), side.counts.tolist(), strict=True)
        counts = {column.category_name(code): count for code, count in pairs}
        return Summary(rows=side.rows, missing=side.missing, counts=counts)
    return Summary(
        rows=side.rows,
        missing=side.missing,
        mean=side.mean,
        std=side.std,
        quartiles=[side.quantile(fraction) for fraction in (0, 0.25, 0.5, 0.75, 1)],
    )


def distribution(column: Column, reference: Counts, current: Counts) -> Distribution:
    """Fractions of both data sets in common bins.

    A category has one bin per value. A number has bins of equal width between the outermost
    thousandths of both data sets. If it is recorded in steps, a bin is a whole number of steps
    wide and its edges lie between two steps; otherwise some bins would hold one step more.
    """
    sides = (reference, current)
    if column.kind == "category":
        keys = np.union1d(reference.values, current.values)
        fractions = [(side.count_of(keys) / side.rows).tolist() for side in sides]
        labels = [column.category_name(key) for key in keys.tolist()]
        return Distribution(labels=labels, reference=fractions[0], current=fractions[1])
    low = min(side.quantile(TAIL) for side in sides)
    high = max(side.quantile(1 - TAIL) for side in sides)
    if column.step:
        width = max(math.ceil((high - low) / column.step / BINS), 1) * column.step
        inner = np.arange(low - column.step / 2, high + width, width)
    else:
        inner = np.linspace(low, high if high > low else low + 1, BINS + 1)
    edges = np.concatenate(([-np.inf], inner[1:-1], [np.inf]))
    fractions = [(side.histogram(edges) / side.rows).tolist() for side in sides]
    return Distribution(edges=inner.tolist(), reference=fractions[0], current=fractions[1])


def count_drifted(columns: Mapping[str, ColumnDrift], min_fraction: float) -> DriftedFeatures:
    """How many of the features drifted, against the fraction that means drift."""
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
    """The verdict in one sentence."""
    names = ", ".join(name for name, column in columns.items() if column.drifted)
    return (
        f"{'Drift' if verdict == DRIFT else 'No drift'}: {drifted.drifted} of {drifted.features} "
        f"features drifted{f' ({names})' if names else ''}; the data set drifts when at least "
        f"{drifted.min_fraction:.0%} of them do."
    )


def to_metrics(report: Report) -> dict[str, float]:
    """The metrics of the MLflow run: the verdict, and each column's score and verdict."""
    assert report.drifted_features is not None
    metrics = {
        "drift": float(report.verdict == DRIFT),
        "drifted_fraction": report.drifted_features.fraction,
        "reference_rows": float(report.reference["rows"]),
        "current_rows": float(report.current["rows"]),
    }
    for name, column in report.columns("prediction", "label").items():
        metrics |= {f"{name}_score": column.score, f"{name}_drifted": float(column.drifted)}
    return metrics
