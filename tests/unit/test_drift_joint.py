"""Joint drift: the classifier, its p-value, and the decision over all tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.drift import joint
from pipeline.drift.columns import Column
from pipeline.drift.decisions import JOINT, adjust_p_values, get_weights
from pipeline.drift.joint import MAX_TERMS, compare_jointly, make_terms
from pipeline.drift.report import JointDrift
from pipeline.settings.drift import DriftSettings

SETTINGS = DriftSettings()
BOUND = SETTINGS.max_false_positive_rate / 8
"""P-value below which the joint distribution decides even if nothing else drifts."""
COLUMNS = [Column("a", "number"), Column("b", "number"), Column("c", "category")]


def rows(count: int, correlation: float, random: np.random.Generator) -> pd.DataFrame:
    """Two numbers with uniform margins and a correlation, and a category."""
    normal = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], count)
    uniform = np.round(stats.norm.cdf(normal) * 5, 1)
    category = random.choice([0.0, 0.5, 1.0], count, p=[0.4, 0.2, 0.4])
    return pd.DataFrame({"a": uniform[:, 0], "b": uniform[:, 1], "c": category})


def compare(reference: pd.DataFrame, current: pd.DataFrame, seed: int = 1) -> JointDrift:
    return compare_jointly(reference, current, COLUMNS, SETTINGS, seed)


def test_a_reversed_correlation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 500 rows and equal margins, at least 95 % of the windows are found."""
    monkeypatch.setattr(joint, "PERMUTATIONS_PER_BOUND", 1.1)  # just enough for a p-value below it
    random = np.random.default_rng(1)
    found = [
        compare(rows(600, 0.4, random), rows(500, -0.4, random)).score < BOUND for _ in range(10)
    ]
    assert np.mean(found) >= 0.95


def test_a_relation_to_a_category_is_found() -> None:
    """A category that begins to depend on a number is found, with the product named."""
    random = np.random.default_rng(2)
    current = rows(500, 0, random)
    current["c"] = np.where(
        current["a"].rank(pct=True) > 0.6, 1.0, current["c"].sample(frac=1, random_state=1)
    )
    current["c"] = np.where(current["a"].rank(pct=True) < 0.4, 0.0, current["c"])
    found = compare(rows(600, 0, random), current)
    assert found.score < BOUND
    assert "a x c" in found.strongest[0]


def test_p_values_are_uniform() -> None:
    """Without drift, p-values below each bound are as frequent as the bound."""
    random = np.random.default_rng(3)
    found = [compare(rows(150, 0.4, random), rows(100, 0.4, random)).score for _ in range(100)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_missing_values_and_constant_columns() -> None:
    """A missing value is no evidence, and a constant column gives no term."""
    random = np.random.default_rng(4)
    reference, current = (rows(300, 0, random).assign(c=1.0) for _ in range(2))
    current.loc[:99, "a"] = np.nan
    found = compare(reference, current)
    assert found.score > BOUND
    constant = reference.assign(a=1.0, b=2.0)
    assert compare(constant, constant).model_dump(include={"auc", "score", "strongest"}) == {
        "auc": 0.5,
        "score": 1.0,
        "strongest": [],
    }


def test_many_columns() -> None:
    """The number of products is bounded, and each column keeps its own term."""
    random = np.random.default_rng(5)
    columns = [Column(f"n{index}", "number") for index in range(60)]
    terms, names = make_terms(random.normal(size=(50, 60)), columns, random)
    assert terms.shape == (50, MAX_TERMS)
    assert {column.name for column in columns} < set(names)


def test_terms() -> None:
    """Ranks of numbers, indicators of all categories but the most frequent, squares, products."""
    columns = [Column("n", "number"), Column("c", "category", {0.0: "no", 1.0: "yes"})]
    values = np.array([[1.0, 0.0], [1000.0, 0.0], [3.0, 1.0], [2.0, 0.0]])
    terms, names = make_terms(values, columns, np.random.default_rng(0))
    assert names == ["n", "c yes", "n x c yes", "n x n"]
    ranks = np.array([1, 4, 3, 2]) - 2.5
    assert terms[:, 0] == pytest.approx(ranks / ranks.std())
    assert terms.mean(axis=0) == pytest.approx(0)
    assert terms.std(axis=0) == pytest.approx(1)


class TestDecisions:
    """Holm's weighted procedure."""

    def test_equal_weights(self) -> None:
        """With equal weights, adjusted p-values are those of Holm's example by hand."""
        p_values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
        found = adjust_p_values(p_values, dict.fromkeys(p_values, 1.0))
        assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})

    def test_weights(self) -> None:
        """A p-value is divided by its weight's part of the weights that are left."""
        found = adjust_p_values({"a": 0.01, "b": 0.02}, {"a": 1, "b": 3})
        assert found == pytest.approx({"b": 0.08 / 3, "a": 0.08 / 3})
        assert adjust_p_values({"a": 0.9, "b": 0.9}, {"a": 1, "b": 3}) == {"a": 1, "b": 1}

    def test_parts_of_the_rate(self) -> None:
        """Three quarters of the rate are for the features, an eighth for each of the others."""
        columns = [*COLUMNS[:2], Column("p", "number", role="prediction")]
        weights = get_weights([*columns, Column("y", "category", role="label")])
        assert weights == {"a": 3, "b": 3, "p": 1, JOINT: 1}
