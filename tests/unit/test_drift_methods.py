"""The statistics on sorted counts are Evidently's: the same choice of method, the same scores, the same verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.drift import evidently_report
from pipeline.drift.methods import (
    EXACT_ROWS,
    Column,
    Kind,
    count,
    drifted,
    plan_comparison,
    score,
    sturges_edges,
)
from pipeline.settings import DriftSettings

Array = np.ndarray[Any, np.dtype[np.float64]]

TOLERANCE = 1e-9


def stat_tests() -> Any:
    evidently_report.load()
    from evidently.legacy.calculations import stattests

    return stattests.registry


def evidently_score(
    method: str, kind: Kind, reference: Array, current: Array, threshold: float
) -> tuple[float, bool]:
    """Evidently's own score and verdict."""
    registry = stat_tests()
    from evidently.legacy.core import ColumnType

    column_type = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
    found = registry.get_registered_stattest(method, column_type)(
        pd.Series(reference), pd.Series(current), column_type, threshold
    )
    return float(found.drift_score), bool(found.drifted)


def continuous(random: np.random.Generator, rows: int, shift: float) -> Array:
    return random.normal(10 + shift, 3, rows)


def gridded(random: np.random.Generator, rows: int, shift: float) -> Array:
    return np.round(random.uniform(3, 8, rows) + shift, 1)


def heavy_tailed(random: np.random.Generator, rows: int, shift: float) -> Array:
    return np.exp(random.normal(shift, 2, rows))


def mostly_one_value(random: np.random.Generator, rows: int, shift: float) -> Array:
    return np.where(random.random(rows) < 0.9 - shift, 0.0, random.random(rows))


NUMBERS = [continuous, gridded, heavy_tailed, mostly_one_value]
SIZES = [(300, 120), (1_000, 5_000), (4_000, 700), (3_000, 12_000)]


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("draw", NUMBERS)
@pytest.mark.parametrize("method", ["ks", "wasserstein", "jensenshannon"])
def test_numbers_score_as_evidently_scores_them(
    method: str, draw: Any, shift: float, rows: tuple[int, int]
) -> None:
    """A number's score and verdict are Evidently's, for continuous, gridded, long-tailed and tied values of unequal sizes."""
    random = np.random.default_rng(5)
    reference, current = draw(random, rows[0], 0.0), draw(random, rows[1], shift)
    threshold = 0.05 if method == "ks" else 0.1
    expected, verdict = evidently_score(method, "number", reference, current, threshold)
    found = score(method, "number", count(reference), count(current))
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    assert drifted(method, found, threshold) is verdict


TWO, SHIFTED = [0.2, 0.8], [0.27, 0.73]
THREE, CHANGED = [0.4, 0.2, 0.4], [0.35, 0.25, 0.4]
TEN, LUMPED = [0.1] * 10, [0.05] * 9 + [0.55]
CHANGES = [(TWO, SHIFTED), (THREE, CHANGED), (TEN, LUMPED)]


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize(
    ("method", "first", "second"),
    [
        ("z", TWO, TWO),
        ("z", TWO, SHIFTED),
        *((method, *pair) for method in ("chisquare", "jensenshannon") for pair in CHANGES),
    ],
)
def test_categories_score_as_evidently_scores_them(
    method: str, first: list[float], second: list[float], rows: tuple[int, int]
) -> None:
    """A category's score and verdict are Evidently's, for two and for more values."""
    random = np.random.default_rng(6)
    codes = np.arange(len(first)) / 2
    reference, current = (
        random.choice(codes, rows[0], p=first),
        random.choice(codes, rows[1], p=second),
    )
    threshold = 0.1 if method == "jensenshannon" else 0.05
    expected, verdict = evidently_score(method, "category", reference, current, threshold)
    found = score(method, "category", count(reference), count(current))
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    assert drifted(method, found, threshold) is verdict


@pytest.mark.parametrize(
    ("method", "kind", "reference", "current"),
    [
        ("z", "category", [1.0] * 50, [1.0] * 40),
        ("z", "category", [1.0] * 50, [0.0] * 40),
        ("chisquare", "category", [0.0, 1.0] * 30, [0.0, 1.0, 2.0] * 20),
        ("jensenshannon", "category", [0.0, 1.0] * 30, [2.0, 3.0] * 20),
        ("jensenshannon", "number", [1.0] * 30, [1.0] * 20),
        ("wasserstein", "number", [1.0] * 30, [1.0] * 20),
        ("wasserstein", "number", [1.0] * 30, [1.0, 9.0] * 20),
        ("ks", "number", [1.0, 2.0] * 30, [8.0, 9.0] * 20),
    ],
)
def test_edges_score_as_evidently_scores_them(
    method: str, kind: Kind, reference: list[float], current: list[float]
) -> None:
    """Constant columns, values that only one side has, and sides apart are no exceptions."""
    sides = np.array(reference), np.array(current)
    with np.errstate(divide="ignore"):
        expected, _ = evidently_score(method, kind, *sides, 0.05)
    assert score(method, kind, *map(count, sides)) == pytest.approx(
        expected, rel=TOLERANCE, abs=TOLERANCE
    )


def test_asymptotic_kolmogorov_smirnov() -> None:
    """Above the rows that scipy tests exactly, the p-value comes from the distance alone, and is still scipy's."""
    random = np.random.default_rng(7)
    reference, current = gridded(random, 900, 0.0), gridded(random, EXACT_ROWS + 1, 0.05)
    expected, _ = evidently_score("ks", "number", reference, current, 0.05)
    assert score("ks", "number", count(reference), count(current)) == pytest.approx(
        expected, rel=TOLERANCE
    )


@pytest.mark.parametrize("rows", [200, 1_000, 1_001])
@pytest.mark.parametrize("distinct", [1, 2, 3, 5, 6, 40])
@pytest.mark.parametrize("kind", ["number", "category"])
def test_choice_is_evidentlys(kind: Kind, distinct: int, rows: int) -> None:
    """`evidently` picks the method that Evidently picks by itself, on both sides of each of its limits."""
    registry = stat_tests()
    from evidently.legacy.core import ColumnType

    values = np.resize(np.arange(distinct, dtype=float), rows)
    column_type = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
    expected = registry.get_stattest(pd.Series(values), pd.Series(values), column_type, None).name
    settings = DriftSettings(numeric_method="evidently", categorical_method="evidently")
    found = plan_comparison(Column("a", kind), count(values), count(values), settings)
    assert (found.method, found.named) == (expected, False)


@pytest.mark.parametrize(
    ("method", "score_value", "verdict"),
    [
        ("ks", 0.049, True),
        ("ks", 0.05, True),
        ("ks", 0.051, False),
        ("z", 0.049, True),
        ("z", 0.05, False),
        ("chisquare", 0.05, False),
        ("wasserstein", 0.049, False),
        ("wasserstein", 0.05, True),
        ("jensenshannon", 0.051, True),
    ],
)
def test_both_directions(method: str, score_value: float, verdict: bool) -> None:
    """A small p-value is drift, and so is a large distance; on the threshold itself as Evidently has it."""
    assert drifted(method, score_value, 0.05) is verdict


class TestAuto:
    """The default choice looks at the smaller side, and takes no chi-square test."""

    @pytest.mark.parametrize(
        ("kind", "values", "reference", "current", "expected"),
        [
            ("number", 50, 600, 5_000, "ks"),
            ("number", 50, 5_000, 600, "ks"),
            ("number", 50, 5_000, 5_000, "wasserstein"),
            ("category", 2, 5_000, 600, "z"),
            ("category", 2, 5_000, 5_000, "jensenshannon"),
            ("category", 3, 600, 600, "jensenshannon"),
            ("number", 4, 600, 600, "jensenshannon"),
        ],
    )
    def test_choice(
        self, kind: Kind, values: int, reference: int, current: int, expected: str
    ) -> None:
        """A test while either side has at most 1,000 rows; a distance above, and for three and more categories."""
        numbers = np.arange(values, dtype=float)
        sides = count(np.resize(numbers, reference)), count(np.resize(numbers, current))
        assert plan_comparison(Column("a", kind), *sides, DriftSettings()).method == expected

    def test_thresholds(self) -> None:
        """A feature's own threshold comes before that of the method's direction."""
        many, few = count(np.resize(np.arange(50.0), 5_000)), count(np.resize(np.arange(50.0), 500))
        settings = DriftSettings(
            p_value_threshold=0.01, distance_threshold=0.2, thresholds={"b": 0.3}
        )
        assert [
            plan_comparison(Column(name, "number"), many, many, settings).threshold
            for name in ("a", "b")
        ] == [0.2, 0.3]
        assert plan_comparison(Column("a", "number"), few, few, settings).threshold == 0.01


def test_counts() -> None:
    """Counts leave out what is no finite number, and give moments, quartiles and bins of the rest."""
    counts = count(np.array([3.0, 1.0, np.nan, 1.0, np.inf, 2.0, -np.inf]))
    assert (counts.values.tolist(), counts.counts.tolist(), counts.missing) == (
        [1, 2, 3],
        [2, 1, 1],
        3,
    )
    assert (counts.rows, counts.mean()) == (4, 1.75)
    assert counts.deviation() == pytest.approx(np.std([3, 1, 1, 2]))
    assert [counts.quantile(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1, 1, 2, 3]
    assert counts.in_bins(np.array([1.0, 2.0, 3.0])).tolist() == [2, 2]
    assert count(np.array([])).rows == 0


def test_bins_are_numpys() -> None:
    """Sturges' edges over both sides are those that numpy gives for all rows at once."""
    random = np.random.default_rng(8)
    reference, current = continuous(random, 900, 0), continuous(random, 77, 1)
    expected = np.histogram_bin_edges(np.concatenate((reference, current)), bins="sturges")
    assert sturges_edges(count(reference), count(current)) == pytest.approx(expected)
