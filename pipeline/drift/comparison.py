"""Compare two data sets column by column.

Scores come from Evidently's DataDriftPreset. With more rows than `drift.max_evidently_rows`, and
for methods that Evidently lacks, they come from methods.py; Evidently then draws its page from a
sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.drift.columns import Column, fill_blank_counts, fill_blanks
from pipeline.drift.counts import Counts, count_values
from pipeline.drift.plan import Plan, plan_comparison
from pipeline.drift.report import ColumnDrift, Distribution, Summary
from pipeline.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings.drift import DriftSettings

Pair = tuple[Counts, Counts]
"""The reference and the current data."""

BINS = 20
"""Bins of a number's distribution in the report."""
TAIL = 0.001
"""Fraction of the rows at each end that share the outermost bins of a distribution."""


@dataclass(frozen=True)
class Comparison:
    """The results of all columns.

    Attributes:
        columns: Result of each column by name.
        computed_by: What computed the scores.
        page: Evidently's HTML page.
        page_sample: Rows per data set on that page, if it shows a sample.
    """

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

    Returns:
        The results, which count all rows even if Evidently's page shows a sample.

    Raises:
        DataError: If a column that may not be blank has no value at all in one of the data sets.
    """
    return compare_counts((reference, current), columns, settings, seed)


def compare_counts(
    frames: tuple[pd.DataFrame, pd.DataFrame],
    columns: Sequence[Column],
    settings: DriftSettings,
    seed: int,
    counts: Mapping[str, Pair] | None = None,
) -> Comparison:
    """Compare two data sets like `compare_columns`, of which the frames can be samples.

    Args:
        frames: The reference and the current rows.
        columns: The columns to compare.
        settings: Methods, thresholds and sizes.
        seed: Seed of the sample for Evidently's page.
        counts: Values of each column in all rows; None if the frames have all rows.
    """
    from pipeline.drift import evidently_report

    reference, current = frames
    known = {
        column.name: counts[column.name] if counts else _count(reference, current, column)
        for column in columns
        if column.blank_value is not None
    }
    reference, current = _fill_frames(reference, current, columns)
    pairs = {
        column.name: fill_blank_counts(column, *counts[column.name])
        if counts
        else _count(reference, current, column)
        for column in columns
    }
    for column in columns:
        _check_values(column, *pairs[column.name])
    plans = [plan_comparison(column, *pairs[column.name], settings) for column in columns]
    sample = None
    if counts or max(len(reference), len(current)) > settings.max_evidently_rows:
        sample = settings.report_sample_rows
        reference, current = (
            frame.sample(min(sample, len(frame)), random_state=seed)
            for frame in (reference, current)
        )
    drawn = evidently_report.draw(reference, current, plans, settings, sample)
    results = {}
    for plan in plans:
        name = plan.column.name
        is_ours = sample or plan.method.evidently_title is None
        score = plan.score(*pairs[name]) if is_ours else drawn.scores[name]
        results[name] = describe_column(plan, score, *pairs[name], known.get(name))
    computed_by = f"Evidently {evidently_report.version()}" + (
        ", its methods on value counts of all rows" if sample else ""
    )
    return Comparison(results, computed_by, drawn.page, sample)


def _count(reference: pd.DataFrame, current: pd.DataFrame, column: Column) -> Pair:
    return (
        count_values(reference[column.name].to_numpy(float)),
        count_values(current[column.name].to_numpy(float)),
    )


def _fill_frames(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[Column]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Replace the blanks of the columns that may be blank."""
    filled = {
        column.name: fill_blanks(
            column, reference[column.name].to_numpy(float), current[column.name].to_numpy(float)
        )
        for column in columns
        if column.blank_value is not None
    }
    return (
        reference.assign(**{name: sides[0] for name, sides in filled.items()}),
        current.assign(**{name: sides[1] for name, sides in filled.items()}),
    )


def _check_values(column: Column, reference: Counts, current: Counts) -> None:
    sides = (reference, current)
    for side, which in zip(sides, ("reference", "current data"), strict=True):
        if side.rows == 0:
            raise DataError(
                f"The column '{column.name}' has no value in any row of the {which}, "
                "so it cannot be compared. Check the source of these rows."
            )


def describe_column(
    plan: Plan, score: float, reference: Counts, current: Counts, known: Pair | None = None
) -> ColumnDrift:
    """Describe the result of a column.

    Args:
        plan: How the column was compared.
        score: Its score; NaN if the test is undefined, as for a constant column.
        reference: Values of the reference, with blanks as a value.
        current: Values of the current data, with blanks as a value.
        known: Values of both without blanks, for a column that may be blank.
    """
    shown = (reference, current)
    if known is not None and plan.column.kind == "number":
        shown = known
    if math.isnan(score):  # a test of a single value: no evidence of drift
        score = 1.0 if plan.method.statistic == "p-value" else 0.0
    effect = plan.effect(reference, current)
    return ColumnDrift(
        kind=plan.column.kind,
        method=plan.method.name,
        statistic=plan.method.statistic,
        score=score,
        threshold=plan.threshold,
        effect=effect,
        min_effect=plan.min_effect,
        drifted=plan.is_drift(score, effect),
        reference=summarize(plan.column, shown[0]),
        current=summarize(plan.column, shown[1]),
        distribution=make_distribution(plan.column, *shown),
        outside=get_outside_fraction(plan.column, *shown),
    )


def get_outside_fraction(column: Column, reference: Counts, current: Counts) -> float:
    """Return the fraction of the current rows with values that the reference does not cover.

    Args:
        column: The column. A number is covered between the smallest and the largest value of the
            reference, a category if the reference has it, and a blank if the reference has blanks.
        reference: Values of the reference.
        current: Values of the current data.
    """
    if column.kind == "category" or not reference.rows:
        covered = np.isin(current.values, reference.values)
    else:
        covered = (current.values >= reference.values[0]) & (current.values <= reference.values[-1])
    outside, rows = int(current.counts[~covered].sum()), current.rows
    if column.blank_value is not None:
        rows += current.missing
        outside += 0 if reference.missing else current.missing
    return float(outside / rows)


def summarize(column: Column, side: Counts) -> Summary:
    """Summarize one side: moments and quartiles of a number, counts of a category.

    A number that is blank in every row has neither.
    """
    if not side.rows:
        return Summary(rows=0, missing=side.missing)
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


def make_distribution(column: Column, reference: Counts, current: Counts) -> Distribution:
    """Count both data sets in the same bins.

    A category has one bin per value. A number has bins of equal width between the outermost
    thousandths of both data sets. If it is recorded in steps, each bin contains the same number of
    steps, and its edges are between two steps. A number's blanks have their own bin.

    Args:
        column: The column.
        reference: Values of the reference.
        current: Values of the current data.
    """
    sides = (reference, current)
    if column.kind == "category":
        keys = np.union1d(reference.values, current.values)
        fractions = [(side.get_counts(keys) / side.rows).tolist() for side in sides]
        labels = [column.category_name(key) for key in keys.tolist()]
        return Distribution(labels=labels, reference=fractions[0], current=fractions[1])
    low = min(side.quantile(TAIL) for side in sides if side.rows)
    high = max(side.quantile(1 - TAIL) for side in sides if side.rows)
    if column.step:
        width = max(math.ceil((high - low) / column.step / BINS), 1) * column.step
        inner = np.arange(low - column.step / 2, high + width, width)
    else:
        inner = np.linspace(low, high if high > low else low + 1, BINS + 1)
    edges = np.concatenate(([-np.inf], inner[1:-1], [np.inf]))
    has_blanks = column.blank_value is not None and any(side.missing for side in sides)
    totals = [side.rows + has_blanks * side.missing for side in sides]
    fractions = [
        (side.histogram(edges) / total).tolist() for side, total in zip(sides, totals, strict=True)
    ]
    return Distribution(
        edges=inner.tolist(),
        reference=fractions[0],
        current=fractions[1],
        blanks=[side.missing / total for side, total in zip(sides, totals, strict=True)]
        if has_blanks
        else None,
    )
