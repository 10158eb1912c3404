"""Drift methods: one row per method.

Scores are computed from value counts. All methods but the two-sample chi-square test are
Evidently's (evidently.legacy.calculations.stattests, 0.7.23), and tests compare each score with
Evidently's. A small p-value means drift; a large distance means drift.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.drift.columns import Kind
from pipeline.drift.counts import Counts, merge_sorted, union
from pipeline.types import FloatArray, IntArray

Statistic = Literal["p-value", "distance"]

MAX_EXACT_ROWS = 10_000
"""scipy's Kolmogorov-Smirnov test is exact up to this many rows, and asymptotic above."""
MAX_UNBINNED_VALUES = 20
"""Jensen-Shannon bins a number whose reference has more distinct values than this."""
MIN_EXPECTED_ROWS = 5
"""The two-sample chi-square test pools values that it expects in fewer rows than this on a side.

Reference: Cochran, Some Methods for Strengthening the Common Chi-Square Tests (1954).
"""
MIN_STD = 0.001
"""Evidently's lower bound on the standard deviation that a Wasserstein distance is divided by."""


def kolmogorov_smirnov(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the p-value of the two-sided two-sample Kolmogorov-Smirnov test, as ks_2samp does.

    This function and the five below are the `score` of a row of METHODS; see `Method`.
    """
    from scipy import stats

    if max(reference.rows, current.rows) <= MAX_EXACT_ROWS:
        with warnings.catch_warnings():
            # scipy falls back to the asymptotic distribution, as it does for Evidently.
            warnings.filterwarnings(
                "ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning
            )
            rows = [np.repeat(side.values, side.counts) for side in (reference, current)]
            return float(stats.ks_2samp(*rows).pvalue)
    points = merge_sorted(reference.values, current.values)
    gap = float(np.abs(reference.cdf(points) - current.cdf(points)).max())
    effective = reference.rows * current.rows / (reference.rows + current.rows)
    return float(np.clip(stats.kstwo.sf(gap, round(effective)), 0, 1))


def chi_square(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the p-value of Pearson's one-sample test: the reference's fractions count as exact."""
    from scipy import stats

    keys = union(reference.values, current.values)
    expected = reference.get_counts(keys) * (current.rows / reference.rows)
    with np.errstate(divide="ignore"):  # the expected count of an unseen category is 0
        return float(stats.chisquare(current.get_counts(keys), expected).pvalue)


def two_sample_chi_square(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the p-value of Pearson's test of homogeneity: both sides are samples.

    Rare values are pooled until each group is expected in MIN_EXPECTED_ROWS rows. If two groups
    remain and one is still rarer, the p-value is that of Fisher's exact test.
    """
    from scipy import stats

    keys = union(reference.values, current.values)
    table = np.stack([side.get_counts(keys) for side in (reference, current)])
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    rows = table.sum(axis=1)
    while table.shape[1] > 2 and _expected_rows(table) < MIN_EXPECTED_ROWS:
        table = np.column_stack((table[:, :2].sum(axis=1), table[:, 2:]))
        table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    if table.shape[1] == 1:
        return 1.0
    if _expected_rows(table) < MIN_EXPECTED_ROWS:
        return float(stats.fisher_exact(table).pvalue)
    expected = np.outer(rows, table.sum(axis=0)) / rows.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(stats.chi2.sf(statistic, table.shape[1] - 1))


def _expected_rows(table: IntArray) -> float:
    """Expected rows of the first value, the rarest one, on the smaller side."""
    return float(table[:, 0].sum() * table.sum(axis=1).min() / table.sum())


def z_test(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the p-value of the two-sided pooled test of two proportions (one or two values)."""
    from scipy import stats

    keys = union(reference.values, current.values)
    if len(keys) == 1:
        return 1.0
    fractions = [1 - side.get_counts(keys)[0] / side.rows for side in (reference, current)]
    pooled = (fractions[0] * reference.rows + fractions[1] * current.rows) / (
        reference.rows + current.rows
    )
    std = math.sqrt(pooled * (1 - pooled) * (1 / reference.rows + 1 / current.rows))
    return float(2 * (1 - stats.norm.cdf(abs(fractions[0] - fractions[1]) / std)))


def wasserstein(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the first Wasserstein distance, in standard deviations of the reference."""
    # One search places both sides' values in one ascending array. The differences between the
    # distribution functions stay integers until the end.
    index = np.arange(len(reference.values)) + np.searchsorted(current.values, reference.values)
    is_current = np.ones(len(reference.values) + len(current.values), dtype=bool)
    is_current[index] = False
    points = np.empty(len(is_current))
    points[index], points[is_current] = reference.values, current.values
    steps = np.empty(len(is_current), dtype=np.int64)
    steps[index] = reference.counts * current.rows
    steps[is_current] = -current.counts * reference.rows
    area = float((np.abs(np.cumsum(steps[:-1])) * np.diff(points)).sum())
    return area / (reference.rows * current.rows) / max(reference.std, MIN_STD)


def jensen_shannon(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the Jensen-Shannon distance (natural logarithm) between the values' fractions.

    Numbers with many distinct values are binned first, by Sturges' rule.
    """
    from scipy.spatial import distance

    if kind == "number" and len(reference.values) > MAX_UNBINNED_VALUES:
        edges = sturges_edges(reference, current)
        fractions = [side.histogram(edges) / side.rows for side in (reference, current)]
    else:
        keys = union(reference.values, current.values)
        fractions = [side.get_counts(keys) / side.rows for side in (reference, current)]
    return float(distance.jensenshannon(*fractions))


def sturges_edges(reference: Counts, current: Counts) -> FloatArray:
    """Return the edges of equal bins over both sides, as numpy's bins="sturges" on all rows."""
    low = min(reference.values[0], current.values[0])
    high = max(reference.values[-1], current.values[-1])
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    width = (high - low) / (np.log2(reference.rows + current.rows) + 1)
    edges: FloatArray = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    return edges


@dataclass(frozen=True)
class Method:
    """A way to compare a column of two data sets.

    Attributes:
        name: Its name in settings and reports, and Evidently's name if Evidently has it.
        title: Its name on the drift page.
        kinds: Kinds of column that it compares.
        statistic: What its score is.
        score: Function of the kind, the reference's counts and the current counts that returns the
            score. Neither side is empty.
        evidently_title: Its name in Evidently's results; None if Evidently lacks it.
        drifts_at_threshold: Whether a score equal to the threshold is drift.
    """

    name: str
    title: str
    kinds: tuple[Kind, ...]
    statistic: Statistic
    score: Callable[[Kind, Counts, Counts], float]
    evidently_title: str | None
    drifts_at_threshold: bool

    def is_drift(self, score: float, threshold: float) -> bool:
        """Return whether the score means drift."""
        if score == threshold:
            return self.drifts_at_threshold
        return score > threshold if self.statistic == "distance" else score < threshold


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "ks",
            "Kolmogorov-Smirnov test",
            ("number",),
            "p-value",
            kolmogorov_smirnov,
            "K-S p_value",
            drifts_at_threshold=True,
        ),
        Method(
            "chisquare",
            "Chi-square test",
            ("category",),
            "p-value",
            chi_square,
            "chi-square p_value",
            drifts_at_threshold=False,
        ),
        Method(
            "chisquare_2samp",
            "Two-sample chi-square test",
            ("category",),
            "p-value",
            two_sample_chi_square,
            None,
            drifts_at_threshold=False,
        ),
        Method(
            "z",
            "Test of two proportions",
            (),  # Evidently's choice for categories with two values
            "p-value",
            z_test,
            "Z-test p_value",
            drifts_at_threshold=False,
        ),
        Method(
            "wasserstein",
            "Wasserstein distance, in standard deviations of the reference",
            ("number",),
            "distance",
            wasserstein,
            "Wasserstein distance (normed)",
            drifts_at_threshold=True,
        ),
        Method(
            "jensenshannon",
            "Jensen-Shannon distance",
            ("number", "category"),
            "distance",
            jensen_shannon,
            "Jensen-Shannon distance",
            drifts_at_threshold=True,
        ),
    )
}
"""All methods. `kinds` lists the columns for which the settings may choose a method."""
