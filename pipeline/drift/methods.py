"""The statistics of Evidently's drift preset, computed from sorted value counts instead of rows.

Each column is sorted once for each data set; every statistic, summary and histogram is then read off the counts. The methods
and the rule that picks one of them are Evidently's (evidently.legacy.calculations.stattests, 0.7.23); tests hold each
method here to its result there. Two directions meet here: a p-value drifts when it is small, a distance when it is large.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.settings import DriftSettings

    Values = NDArray[np.float64]

Kind = Literal["number", "category"]
Statistic = Literal["p-value", "distance"]

STATISTICS: dict[str, Statistic] = {
    "ks": "p-value",
    "chisquare": "p-value",
    "z": "p-value",
    "wasserstein": "distance",
    "jensenshannon": "distance",
}
"""What each method's score is."""

TESTED_ROWS = 1_000
"""Evidently tests hypotheses (p-values) up to this many reference rows, and measures distances above."""
FEW_VALUES = 5
"""A number with at most this many distinct values is compared as a category."""
EXACT_ROWS = 10_000
"""scipy's Kolmogorov-Smirnov test is exact up to this many rows, and asymptotic above."""
BINNED_VALUES = 20
"""Jensen-Shannon bins a number of which the reference has more distinct values than this."""
LEAST_DEVIATION = 0.001
"""Evidently's lower bound on the deviation that a Wasserstein distance is divided by."""


@dataclass(frozen=True)
class Column:
    """A column to compare.

    `names` are the names of a category's codes; `step` is a number's resolution, 0 for any; `decides` is False where the column
    is reported beside the data set's verdict.
    """

    name: str
    kind: Kind
    names: Mapping[float, str] = field(default_factory=dict)
    step: float = 0.0
    decides: bool = True


@dataclass(frozen=True)
class Counts:
    """A column's finite values: the distinct ones, ascending, and how often each occurs. `missing` counts the others."""

    values: Values
    counts: NDArray[np.int64]
    missing: int = 0

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def below_or_at(self, points: Values) -> Values:
        """The empirical distribution function at `points`."""
        import numpy as np

        cumulated = np.concatenate(([0], np.cumsum(self.counts)))
        shares: Values = cumulated[np.searchsorted(self.values, points, side="right")] / self.rows
        return shares

    def of(self, keys: Values) -> NDArray[np.int64]:
        """How often each of `keys` occurs."""
        import numpy as np

        places = np.minimum(np.searchsorted(self.values, keys), len(self.values) - 1)
        found: NDArray[np.int64] = np.where(self.values[places] == keys, self.counts[places], 0)
        return found

    def in_bins(self, edges: Values) -> NDArray[np.int64]:
        """A histogram as numpy makes it: half-open bins, the last one closed."""
        import numpy as np

        cumulated = np.concatenate(([0], np.cumsum(self.counts)))
        places = np.searchsorted(self.values, edges, side="left")
        places[-1] = np.searchsorted(self.values, edges[-1], side="right")
        binned: NDArray[np.int64] = np.diff(cumulated[places])
        return binned

    def mean(self) -> float:
        return float((self.values * self.counts).sum() / self.rows)

    def deviation(self) -> float:
        """The standard deviation of the rows as a population, which is what Evidently divides by."""
        return math.sqrt(float(((self.values - self.mean()) ** 2 * self.counts).sum() / self.rows))

    def quantile(self, share: float) -> float:
        """The smallest value that at least `share` of the rows do not exceed."""
        import numpy as np

        place = int(np.searchsorted(np.cumsum(self.counts), share * self.rows))
        return float(self.values[min(place, len(self.values) - 1)])


@dataclass(frozen=True)
class Plan:
    """How a column is compared. `kind` is what its values are compared as; `named` is False where Evidently would pick the
    same method by itself."""

    column: Column
    kind: Kind
    method: str
    threshold: float
    named: bool


def count(values: Values) -> Counts:
    """The counts of an array, which is left as it is."""
    import numpy as np

    finite = np.sort(values[np.isfinite(values)])
    starts = (
        np.flatnonzero(np.concatenate(([True], finite[1:] != finite[:-1])))
        if len(finite)
        else np.array([], dtype=int)
    )
    return Counts(
        finite[starts], np.diff(np.append(starts, len(finite))), len(values) - len(finite)
    )


def plan_comparison(
    column: Column, reference: Counts, current: Counts, settings: DriftSettings
) -> Plan:
    """The method and threshold for these rows of the column."""
    distinct = max(len(reference.values), len(current.values))
    if distinct <= FEW_VALUES:
        distinct = len(_union(reference.values, current.values))
    kind: Kind = "number" if column.kind == "number" and distinct > FEW_VALUES else "category"
    theirs = evidently_default_method(kind, distinct, reference.rows)
    setting = settings.numeric_method if kind == "number" else settings.categorical_method
    if setting == "auto":
        method = evidently_default_method(kind, distinct, min(reference.rows, current.rows))
        # Evidently's chi-square takes the reference's shares as exact, and so alarms the more the larger the current side.
        method = "jensenshannon" if method == "chisquare" else method
    else:
        method = theirs if setting == "evidently" else setting
    common = (
        settings.p_value_threshold
        if STATISTICS[method] == "p-value"
        else settings.distance_threshold
    )
    return Plan(
        column, kind, method, settings.thresholds.get(column.name, common), method != theirs
    )


def evidently_default_method(kind: Kind, distinct: int, rows: int) -> str:
    """The method that Evidently picks for `distinct` values and that many reference rows."""
    if rows > TESTED_ROWS:
        return "wasserstein" if kind == "number" else "jensenshannon"
    if kind == "number":
        return "ks"
    return "chisquare" if distinct > 2 else "z"


def drifted(method: str, score: float, threshold: float) -> bool:
    """Whether the score says drift: a p-value below its threshold, a distance from its threshold up.

    On the threshold itself Evidently takes the Kolmogorov-Smirnov test for drift, and the other tests not.
    """
    if STATISTICS[method] == "distance":
        return score >= threshold
    return score <= threshold if method == "ks" else score < threshold


def score(method: str, kind: Kind, reference: Counts, current: Counts) -> float:
    """The statistic of `method`; neither data set may be empty."""
    if method == "ks":
        return kolmogorov_smirnov(reference, current)
    if method == "chisquare":
        return chi_square(reference, current)
    if method == "z":
        return z_test(reference, current)
    if method == "wasserstein":
        return wasserstein(reference, current)
    return jensen_shannon(kind, reference, current)


def kolmogorov_smirnov(reference: Counts, current: Counts) -> float:
    """p-value of the two-sided two-sample Kolmogorov-Smirnov test, as scipy.stats.ks_2samp gives it."""
    import numpy as np
    from scipy import stats

    if max(reference.rows, current.rows) <= EXACT_ROWS:
        with warnings.catch_warnings():
            # scipy falls back to the asymptotic distribution, as it does for Evidently.
            warnings.filterwarnings(
                "ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning
            )
            rows = [np.repeat(side.values, side.counts) for side in (reference, current)]
            return float(stats.ks_2samp(*rows).pvalue)
    points = _merged(reference.values, current.values)
    gap = float(np.abs(reference.below_or_at(points) - current.below_or_at(points)).max())
    effective = reference.rows * current.rows / (reference.rows + current.rows)
    return float(np.clip(stats.kstwo.sf(gap, round(effective)), 0, 1))


def chi_square(reference: Counts, current: Counts) -> float:
    """p-value of Pearson's test that `current` has the shares of `reference`, which Evidently takes as exact."""
    import numpy as np
    from scipy import stats

    keys = _union(reference.values, current.values)
    expected = reference.of(keys) * (current.rows / reference.rows)
    with np.errstate(
        divide="ignore"
    ):  # a category the reference never had is expected 0 times: p is 0
        return float(stats.chisquare(current.of(keys), expected).pvalue)


def z_test(reference: Counts, current: Counts) -> float:
    """p-value of the two-sided test of two proportions, pooled, for columns of one or two distinct values."""
    from scipy import stats

    keys = _union(reference.values, current.values)
    if len(keys) == 1:
        return 1.0
    shares = [1 - side.of(keys)[0] / side.rows for side in (reference, current)]
    pooled = (shares[0] * reference.rows + shares[1] * current.rows) / (
        reference.rows + current.rows
    )
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / reference.rows + 1 / current.rows))
    return float(2 * (1 - stats.norm.cdf(abs(shares[0] - shares[1]) / deviation)))


def wasserstein(reference: Counts, current: Counts) -> float:
    """First Wasserstein distance in deviations of the reference: the area between the two distribution functions."""
    import numpy as np

    # Where the values of both would lie in one ascending array: only one search, and whole numbers until the end.
    places = np.arange(len(reference.values)) + np.searchsorted(current.values, reference.values)
    theirs = np.ones(len(reference.values) + len(current.values), dtype=bool)
    theirs[places] = False
    points = np.empty(len(theirs))
    points[places], points[theirs] = reference.values, current.values
    steps = np.empty(len(theirs), dtype=np.int64)
    steps[places], steps[theirs] = reference.counts * current.rows, -current.counts * reference.rows
    area = float((np.abs(np.cumsum(steps[:-1])) * np.diff(points)).sum()) / (
        reference.rows * current.rows
    )
    return area / max(reference.deviation(), LEAST_DEVIATION)


def jensen_shannon(kind: Kind, reference: Counts, current: Counts) -> float:
    """Jensen-Shannon distance (natural logarithm) of the shares of the values, or of Sturges' bins of many numbers."""
    from scipy.spatial import distance

    if kind == "number" and len(reference.values) > BINNED_VALUES:
        edges = sturges_edges(reference, current)
        shares = [side.in_bins(edges) / side.rows for side in (reference, current)]
    else:
        keys = _union(reference.values, current.values)
        shares = [side.of(keys) / side.rows for side in (reference, current)]
    return float(distance.jensenshannon(*shares))


def sturges_edges(reference: Counts, current: Counts) -> Values:
    """Edges of equal bins over both, as many as Sturges' rule gives for all their rows: numpy's bins="sturges"."""
    import numpy as np

    low = min(reference.values[0], current.values[0])
    high = max(reference.values[-1], current.values[-1])
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    width = (high - low) / (np.log2(reference.rows + current.rows) + 1)
    edges: Values = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    return edges


def _merged(first: Values, second: Values) -> Values:
    """Both ascending arrays in one; a stable sort merges two runs in one pass."""
    import numpy as np

    return np.sort(np.concatenate((first, second)), kind="stable")


def _union(first: Values, second: Values) -> Values:
    """The distinct values of both, ascending."""
    import numpy as np

    merged = _merged(first, second)
    return merged[np.concatenate(([True], merged[1:] != merged[:-1]))]
