"""The drift report: two data sets compared column by column, and the verdict.

Scores come from Evidently's DataDriftPreset; where there are more rows than `drift.max_evidently_rows` they come from
pipeline/drift/methods.py, which tests hold to Evidently's, and Evidently draws its page from a sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipeline.columns import FEATURES, LABEL, Number
from pipeline.drift.methods import (
    STATISTICS,
    Column,
    Counts,
    Kind,
    Plan,
    Statistic,
    count,
    drifted,
    plan_comparison,
    score,
)
from pipeline.errors import DataError
from pipeline.storage.lake import to_json_bytes

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings import DriftSettings

PREDICTION = "fail_probability"
"""Column of the model's answers, in the traffic log and here."""
DRIFT, NONE, TOO_FEW = "drift", "none", "not enough data"
BINS = 20
"""Bins of a number's distribution in the report."""
TAIL = 0.001
"""Share of the rows at each end that a number's bins need not resolve; they are counted in the outermost bins."""


class ReportPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Summary(ReportPart):
    """One column of one data set: of a number the moments and quartiles, of a category how often each value occurs."""

    rows: int
    missing: int
    mean: float | None = None
    deviation: float | None = None
    quartiles: list[float] | None = None
    """Least value, three quartiles, greatest value."""
    counts: dict[str, int] | None = None


class Distribution(ReportPart):
    """Shares of the rows in the same bins (a number) or values (a category) of both data sets."""

    edges: list[float] | None = None
    labels: list[str] | None = None
    reference: list[float]
    current: list[float]


class ColumnDrift(ReportPart):
    """A column's verdict."""

    kind: Kind
    method: str
    statistic: Statistic
    """A p-value drifts below its threshold, a distance from its threshold up."""
    score: float
    threshold: float
    drifted: bool
    reference: Summary
    current: Summary
    distribution: Distribution


class Share(ReportPart):
    """How many features drifted; the data set does when their share is at least `bound`."""

    drifted: int
    features: int
    share: float
    bound: float


class Origin(ReportPart):
    """Where a report and its two data sets came from."""

    run_id: str
    created: str
    reference: dict[str, Any]
    current: dict[str, Any]


class Report(Origin):
    """drift_report.json."""

    verdict: str
    sentence: str
    share: Share | None = None
    features: dict[str, ColumnDrift] = {}
    prediction: ColumnDrift | None = None
    label: ColumnDrift | None = None
    computed_by: str | None = None
    page_sample: int | None = None
    """Rows of each data set that Evidently's page was drawn from, if not from all."""
    retraining: str | None = None
    """Whether retraining is asked for, and why."""

    def to_bytes(self) -> bytes:
        return to_json_bytes(self.model_dump())


@dataclass(frozen=True)
class Comparison:
    """Columns compared, with Evidently's page."""

    columns: dict[str, ColumnDrift]
    computed_by: str
    page: bytes
    page_sample: int | None


def features() -> list[Column]:
    """The features as columns to compare."""
    return [
        Column(feature.name, "number", step=feature.step)
        if isinstance(feature, Number)
        else Column(feature.name, "category", feature.names)
        for feature in FEATURES
    ]


def compared_columns(reference: pd.DataFrame, current: pd.DataFrame) -> list[Column]:
    """The features, and the prediction and the label where both data sets have them."""
    both = set(reference.columns) & set(current.columns)
    prediction = Column(PREDICTION, "number", decides=False)
    label = Column(
        LABEL.name, "category", {0.0: LABEL.negative, 1.0: LABEL.positive}, decides=False
    )
    return [*features(), *(column for column in (prediction, label) if column.name in both)]


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[Column],
    settings: DriftSettings,
    seed: int,
) -> Comparison:
    """Every column's drift, of two frames of finite numbers or NaN; the frames are left as they are.

    Raises:
        DataError: a column has no value at all in one of them.
    """
    from pipeline.drift import evidently_report

    pairs = {column.name: _counted(column, reference, current) for column in columns}
    plans = [plan_comparison(column, *pairs[column.name], settings) for column in columns]
    sample = (
        settings.report_sample_rows
        if max(len(reference), len(current)) > settings.max_evidently_rows
        else None
    )
    if sample:
        reference, current = (
            frame.sample(min(sample, len(frame)), random_state=seed)
            for frame in (reference, current)
        )
    drawn = evidently_report.draw(reference, current, plans, settings.min_drifted_fraction, sample)
    found = {}
    for item in plans:
        name = item.column.name
        value, verdict = scored(item, *pairs[name]) if sample else drawn.scores[name]
        found[name] = describe_column(item, value, verdict, *pairs[name])
    by = f"Evidently {evidently_report.version()}" + (
        ", its methods on sorted counts of all rows" if sample else ""
    )
    return Comparison(found, by, drawn.page, sample)


def scored(item: Plan, reference: Counts, current: Counts) -> tuple[float, bool]:
    """The column's score and verdict, from counts."""
    value = score(item.method, item.kind, reference, current)
    return value, drifted(item.method, value, item.threshold)


def _counted(
    column: Column, reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[Counts, Counts]:
    pair = (
        count(reference[column.name].to_numpy(float)),
        count(current[column.name].to_numpy(float)),
    )
    for side, which in zip(pair, ("reference", "current data"), strict=True):
        if side.rows == 0:
            raise DataError(
                f"the column '{column.name}' has no value in any row of the {which}; nothing can be compared"
            )
    return pair


def describe_column(
    item: Plan, value: float, verdict: bool, reference: Counts, current: Counts
) -> ColumnDrift:
    """A column's verdict with both summaries and the distribution."""
    statistic = STATISTICS[item.method]
    if math.isnan(value):  # a test of one single value: nothing speaks for drift
        value = 1.0 if statistic == "p-value" else 0.0
    return ColumnDrift(
        kind=item.column.kind,
        method=item.method,
        statistic=statistic,
        score=value,
        threshold=item.threshold,
        drifted=verdict,
        reference=summary(item.column, reference),
        current=summary(item.column, current),
        distribution=distribution(item.column, reference, current),
    )


def summary(column: Column, side: Counts) -> Summary:
    """One side of a column in a few numbers."""
    if column.kind == "category":
        named = zip(side.values.tolist(), side.counts.tolist(), strict=True)
        return Summary(
            rows=side.rows,
            missing=side.missing,
            counts={category_label(column.names, code): n for code, n in named},
        )
    return Summary(
        rows=side.rows,
        missing=side.missing,
        mean=side.mean(),
        deviation=side.deviation(),
        quartiles=[side.quantile(share) for share in (0, 0.25, 0.5, 0.75, 1)],
    )


def category_label(names: Mapping[float, str], code: float) -> str:
    """A category's name; a code that has none stands for itself."""
    return names.get(code, f"{code:g}")


def distribution(column: Column, reference: Counts, current: Counts) -> Distribution:
    """Shares in common bins: equal ones between the outermost thousandths of both, or one a value.

    A number recorded in steps has bins of whole steps, the edges between two steps: else some would hold a step more.
    """
    import numpy as np

    sides = (reference, current)
    if column.kind == "category":
        keys = np.union1d(reference.values, current.values)
        first, second = ((side.of(keys) / side.rows).tolist() for side in sides)
        return Distribution(
            labels=[category_label(column.names, key) for key in keys.tolist()],
            reference=first,
            current=second,
        )
    low = min(side.quantile(TAIL) for side in sides)
    high = max(side.quantile(1 - TAIL) for side in sides)
    if column.step:
        width = max(math.ceil((high - low) / column.step / BINS), 1) * column.step
        inner = np.arange(low - column.step / 2, high + width, width)
    else:
        inner = np.linspace(low, high if high > low else low + 1, BINS + 1)
    edges = np.concatenate(([-np.inf], inner[1:-1], [np.inf]))
    first, second = ((side.in_bins(edges) / side.rows).tolist() for side in sides)
    return Distribution(edges=inner.tolist(), reference=first, current=second)


def drifted_fraction(columns: Mapping[str, ColumnDrift], bound: float) -> Share:
    """The share of the features that drifted."""
    number = sum(column.drifted for column in columns.values())
    return Share(drifted=number, features=len(columns), share=number / len(columns), bound=bound)


def sentence(verdict: str, share: Share, columns: Mapping[str, ColumnDrift]) -> str:
    """The verdict for people."""
    names = ", ".join(name for name, column in columns.items() if column.drifted)
    which = f" ({names})" if names else ""
    return (
        f"{'Drift' if verdict == DRIFT else 'No drift'}: {share.drifted} of {share.features} features drifted{which}; "
        f"from a share of {share.bound:g} on the data set drifts."
    )


def format_summary(side: Summary) -> str:
    """A column's summary in a table's cell."""
    if side.counts is not None:
        return ", ".join(f"{name} {n / side.rows:.0%}" for name, n in side.counts.items())
    return f"{side.mean:.4g} ± {side.deviation:.3g}"


def to_metrics(report: Report) -> dict[str, float]:
    """What the MLflow run records: the verdict, and each column's score and verdict."""
    assert report.share is not None
    others = {"prediction": report.prediction, "label": report.label}
    columns = {
        **report.features,
        **{name: column for name, column in others.items() if column is not None},
    }
    found = {"drift": float(report.verdict == DRIFT), "drift_share": report.share.share}
    found |= {
        "reference_rows": float(report.reference["rows"]),
        "current_rows": float(report.current["rows"]),
    }
    for name, column in columns.items():
        found |= {f"{name}_score": column.score, f"{name}_drifted": float(column.drifted)}
    return found
