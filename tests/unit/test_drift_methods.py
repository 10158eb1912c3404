"""Scores, choice of method and verdicts on value counts equal Evidently's."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.drift import evidently_report
from pipeline.drift.columns import Column, Kind
from pipeline.drift.comparison import compare_columns
from pipeline.drift.counts import Counts, count_values
from pipeline.drift.effect import largest_share_change
from pipeline.drift.methods import (
    MAX_EXACT_ROWS,
    METHODS,
    Method,
    sturges_edges,
)
from pipeline.drift.plan import plan_comparison
from pipeline.settings.drift import DriftSettings

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
    """Scores and verdicts of numbers equal Evidently's: continuous, stepped, skewed, tied."""
    random = np.random.default_rng(5)
    reference, current = draw(random, rows[0], 0.0), draw(random, rows[1], shift)
    threshold = 0.05 if method == "ks" else 0.1
    expected, verdict = evidently_score(method, "number", reference, current, threshold)
    found = METHODS[method].score("number", count_values(reference), count_values(current))
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    assert METHODS[method].is_drift(found, threshold) is verdict


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
    """A category's score and verdict equal Evidently's, for two and for more values."""
    random = np.random.default_rng(6)
    codes = np.arange(len(first)) / 2
    reference, current = (
        random.choice(codes, rows[0], p=first),
        random.choice(codes, rows[1], p=second),
    )
    threshold = 0.1 if method == "jensenshannon" else 0.05
    expected, verdict = evidently_score(method, "category", reference, current, threshold)
    found = METHODS[method].score("category", count_values(reference), count_values(current))
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    assert METHODS[method].is_drift(found, threshold) is verdict


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
    """Constant columns, values on one side only and disjoint sides score as in Evidently."""
    sides = np.array(reference), np.array(current)
    with np.errstate(divide="ignore"):
        expected, _ = evidently_score(method, kind, *sides, 0.05)
    assert METHODS[method].score(kind, *map(count_values, sides)) == pytest.approx(
        expected, rel=TOLERANCE, abs=TOLERANCE
    )


def test_asymptotic_kolmogorov_smirnov() -> None:
    """Above the row limit of scipy's exact test, the p-value still equals scipy's."""
    random = np.random.default_rng(7)
    reference, current = gridded(random, 900, 0.0), gridded(random, MAX_EXACT_ROWS + 1, 0.05)
    expected, _ = evidently_score("ks", "number", reference, current, 0.05)
    assert METHODS["ks"].score(
        "number", count_values(reference), count_values(current)
    ) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("rows", [200, 1_000, 1_001])
@pytest.mark.parametrize("distinct", [1, 2, 3, 5, 6, 40])
@pytest.mark.parametrize("kind", ["number", "category"])
def test_choice_is_evidentlys(kind: Kind, distinct: int, rows: int) -> None:
    """The setting `evidently` chooses Evidently's default, on both sides of each of its limits."""
    registry = stat_tests()
    from evidently.legacy.core import ColumnType

    values = np.resize(np.arange(distinct, dtype=float), rows)
    column_type = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
    expected = registry.get_stattest(pd.Series(values), pd.Series(values), column_type, None).name
    settings = DriftSettings(numeric_method="evidently", categorical_method="evidently")
    found = plan_comparison(Column("a", kind), count_values(values), count_values(values), settings)
    assert (found.method.name, found.overrides_default) == (expected, False)


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
    """A small p-value and a large distance mean drift; equality follows Evidently."""
    assert METHODS[method].is_drift(score_value, 0.05) is verdict


class TestRule:
    """The default rule: one test per kind, and a smallest change, for all numbers of rows."""

    @pytest.mark.parametrize("rows", [(200, 200), (600, 1_000), (600, 1_001), (5_000, 5_000)])
    @pytest.mark.parametrize(
        ("kind", "values", "expected"),
        [
            ("number", 50, "ks"),
            ("number", 4, "chisquare_2samp"),
            ("category", 3, "chisquare_2samp"),
            ("category", 2, "chisquare_2samp"),
        ],
    )
    def test_choice(self, kind: Kind, values: int, expected: str, rows: tuple[int, int]) -> None:
        """The kind of values selects the method, the number of rows does not."""
        numbers = np.arange(values, dtype=float)
        reference, current = (count_values(np.resize(numbers, n)) for n in rows)
        plan = plan_comparison(Column("a", kind), reference, current, DriftSettings())
        assert plan.method.name == expected

    @pytest.mark.parametrize(("change", "drifted"), [(0.019, False), (0.021, True)])
    def test_smallest_change(self, change: float, drifted: bool) -> None:
        """With a million rows each change is significant; only those from 2 % on are drift."""
        cases: list[tuple[Kind, int]] = [("category", 2), ("category", 3), ("number", 10)]
        for kind, values in cases:
            counts = np.full(values, 1_000_000 // values)
            moved = counts + np.array([-1, *[0] * (values - 2), 1]) * int(change * counts.sum())
            names = np.arange(values, dtype=float)
            sides = Counts(names, counts), Counts(names, moved)
            plan = plan_comparison(Column("a", kind), *sides, DriftSettings())
            score, effect = plan.score(*sides), plan.effect(*sides)
            assert effect == pytest.approx(change, abs=1e-4)
            assert plan.method.is_drift(score, plan.threshold)
            assert plan.is_drift(score, effect) is drifted

    @pytest.mark.parametrize("reference", [600, 6_000])
    @pytest.mark.parametrize("kind", ["number", "yes or no", "three categories"])
    def test_more_rows_never_lower_the_power(self, kind: str, reference: int) -> None:
        """A change of 10 % of the rows is found more often, or always, with more rows."""
        rates = []
        for rows in (200, 500, 1_000, 1_001, 5_000):
            random = np.random.default_rng(9)
            verdicts = [
                is_drift(kind, [draw(kind, random, n, move) for n, move in pair])
                for pair in [((reference, 0.0), (rows, 0.1))] * 50
            ]
            rates.append(np.mean(verdicts))
        assert rates == sorted(rates)
        assert rates[-1] == 1

    def test_thresholds(self) -> None:
        """A feature's own threshold overrides the common one."""
        side = count_values(np.arange(50.0))
        settings = {
            "max_false_positive_rate": 0.01,
            "distance_threshold": 0.2,
            "thresholds": {"b": 0.3},
        }
        for method, common in (("ks", 0.01), ("wasserstein", 0.2)):
            chosen = DriftSettings.model_validate(settings | {"numeric_method": method})
            plans = [plan_comparison(Column(name, "number"), side, side, chosen) for name in "ab"]
            assert [plan.threshold for plan in plans] == [common, 0.3]


def draw(kind: str, random: np.random.Generator, rows: int, moved: float) -> Array:
    """Draw a column of which the fraction `moved` of the rows has changed to another value."""
    if kind == "number":
        values = random.uniform(0, 1, rows)
        return np.where(random.random(rows) < moved, 1.0, values)
    shares = (
        [0.15 + moved, 0.85 - moved] if kind == "yes or no" else [0.4 - moved, 0.2 + moved, 0.4]
    )
    return random.choice(np.arange(float(len(shares))), rows, p=shares)


def is_drift(kind: str, sides: list[Array]) -> bool:
    reference, current = map(count_values, sides)
    column = Column("a", "number" if kind == "number" else "category")
    plan = plan_comparison(column, reference, current, DriftSettings())
    return plan.is_drift(plan.score(reference, current), plan.effect(reference, current))


class TestTwoSampleChiSquare:
    """The test of homogeneity, which Evidently lacks."""

    @pytest.mark.parametrize("rows", SIZES)
    @pytest.mark.parametrize("shares", CHANGES)
    def test_is_scipys(
        self, shares: tuple[list[float], list[float]], rows: tuple[int, int]
    ) -> None:
        """The p-value equals that of scipy's contingency table, without its correction."""
        random = np.random.default_rng(10)
        codes = np.arange(float(len(shares[0])))
        sides = [
            count_values(random.choice(codes, n, p=p)) for n, p in zip(rows, shares, strict=True)
        ]
        table = [side.counts for side in sides]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        found = METHODS["chisquare_2samp"].score("category", *sides)
        assert found == pytest.approx(expected, rel=TOLERANCE)
        if len(codes) == 2:
            assert found == pytest.approx(METHODS["z"].score("category", *sides), abs=1e-12)

    def test_rare_values_are_pooled(self) -> None:
        """Values expected in fewer than 5 rows form one group."""
        names = np.arange(4.0)
        sides = (
            Counts(names, np.array([500, 90, 6, 4])),
            Counts(names, np.array([380, 105, 3, 12])),
        )
        table = [[500, 90, 10], [380, 105, 15]]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        found = METHODS["chisquare_2samp"].score("category", *sides)
        assert found == pytest.approx(expected, rel=TOLERANCE)

    def test_rare_yes_or_no(self) -> None:
        """Three rows of a value that 600 rows lack: Fisher's p-value, not a fifth of it."""
        sides = count_values(np.zeros(600)), count_values(np.repeat([0.0, 1.0], [197, 3]))
        found = METHODS["chisquare_2samp"].score("category", *sides)
        assert found == pytest.approx(200 * 199 * 198 / (800 * 799 * 798))

    def test_constant(self) -> None:
        """A single value on both sides is no evidence."""
        sides = count_values(np.ones(600)), count_values(np.ones(50))
        assert METHODS["chisquare_2samp"].score("category", *sides) == 1


@pytest.mark.parametrize(
    ("kind", "reference", "current", "expected"),
    [
        ("category", [0.0] * 4 + [1.0], [0.0] * 2 + [1.0] * 3, 0.4),
        ("category", [0.0, 1.0, 2.0, 2.0], [0.0, 0.0, 1.0, 3.0], 0.5),
        ("number", [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 4.0], 0.25),
        ("number", [1.0, 2.0], [3.0], 1.0),
    ],
)
def test_largest_share_change(
    kind: Kind, reference: list[float], current: list[float], expected: float
) -> None:
    """The largest change of a fraction of the rows, by hand."""
    sides = count_values(np.array(reference)), count_values(np.array(current))
    assert largest_share_change(kind, *sides) == pytest.approx(expected)


def test_counts() -> None:
    """Counts skip values that are not finite, and give moments, quartiles and bins of the rest."""
    counts = count_values(np.array([3.0, 1.0, np.nan, 1.0, np.inf, 2.0, -np.inf]))
    assert (counts.values.tolist(), counts.counts.tolist(), counts.missing) == (
        [1, 2, 3],
        [2, 1, 1],
        3,
    )
    assert (counts.rows, counts.mean) == (4, 1.75)
    assert counts.std == pytest.approx(np.std([3, 1, 1, 2]))
    assert [counts.quantile(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1, 1, 2, 3]
    assert counts.histogram(np.array([1.0, 2.0, 3.0])).tolist() == [2, 2]
    assert count_values(np.array([])).rows == 0


def test_bins_are_numpys() -> None:
    """Sturges' edges over both sides equal numpy's for all rows together."""
    random = np.random.default_rng(8)
    reference, current = continuous(random, 900, 0), continuous(random, 77, 1)
    expected = np.histogram_bin_edges(np.concatenate((reference, current)), bins="sturges")
    assert sturges_edges(count_values(reference), count_values(current)) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["number", "category"])
def test_settings_offer_the_methods_of_the_table(kind: Kind) -> None:
    """The settings accept the table's methods for a kind, and Evidently's choice."""
    field = {"number": "numeric_method", "category": "categorical_method"}[kind]
    offered = set(get_args(DriftSettings.model_fields[field].annotation))
    expected = {name for name, method in METHODS.items() if kind in method.kinds}
    assert offered == expected | {"evidently"}


def test_a_method_that_evidently_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more row of the table is enough: its score decides, and the report names it."""
    median = Method(
        "median",
        "Difference of medians",
        ("number",),
        "distance",
        lambda kind, reference, current: abs(reference.quantile(0.5) - current.quantile(0.5)),
        evidently_title=None,
        drifts_at_threshold=True,
    )
    monkeypatch.setitem(METHODS, "median", median)
    settings = DriftSettings.model_construct(
        **(DriftSettings().model_dump() | {"numeric_method": "median"})
    )
    rows = pd.DataFrame({"a": np.arange(50.0)})
    result = compare_columns(rows, rows + 3, [Column("a", "number")], settings, 1)
    column = result.columns["a"]
    assert (column.method, column.score, column.drifted) == ("median", 3.0, True)
