"""The agreement of honest fits, on linear models of simulated rows."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.evaluation.honest_agreement import compare_agreement, estimate_honest_agreement
from pipeline.types import BoolArray, FloatArray

ROWS, REFITS, MODELS, SHOWN = 200, 20, 100, 500


class Fitted(NamedTuple):
    """Labels of SHOWN rows by a fit on all rows, and by REFITS fits on random halves."""

    labels: BoolArray
    refits: BoolArray


def fit(rows: FloatArray, targets: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(rows, targets, rcond=None)[0], np.float64)


@pytest.fixture(scope="module", params=[6, 16])
def models(request: pytest.FixtureRequest) -> list[Fitted]:
    """Models with few or more weights that learned from other rows of one population."""
    features: int = request.param
    random = np.random.default_rng(20)
    shown, truth = random.normal(size=(SHOWN, features)), random.normal(size=features)
    fitted = []
    for _ in range(MODELS):
        rows = random.normal(size=(ROWS, features))
        targets = np.sign(rows @ truth + random.normal(0, 6, ROWS))
        halves = [random.permutation(ROWS)[: ROWS // 2] for _ in range(REFITS)]
        refits = [shown @ fit(rows[half], targets[half]) > 0 for half in halves]
        fitted.append(Fitted(shown @ fit(rows, targets) > 0, np.column_stack(refits)))
    return fitted


def upper_ends(models: list[Fitted], labels: list[BoolArray]) -> FloatArray:
    """What the gate compares with zero, for each model and the labels of the next one."""
    ends = []
    for first, second, other in zip(models, models[1:], labels[1:], strict=False):
        agreement = float((first.labels == other).mean())
        ends.append(compare_agreement(agreement, SHOWN, [first.refits, second.refits]).high)
    return np.array(ends)


def test_honest_pairs_pass(models: list[Fitted]) -> None:
    """At least 95 % of the pairs do, though half of them agree on less than 80 % of the rows."""
    labels = [model.labels for model in models]
    agreements = [(a == b).mean() for a, b in pairwise(labels)]
    assert np.median(agreements) < 0.8
    assert (upper_ends(models, labels) >= 0).mean() >= 0.95


def test_a_different_model_fails(models: list[Fitted]) -> None:
    """The opposite labels do, and labels that are not related to the champion's mostly."""
    random = np.random.default_rng(0)
    unrelated = [random.permutation(model.labels) for model in models]
    assert (upper_ends(models, unrelated) >= 0).mean() <= 0.35
    opposite = [~model.labels for model in models]
    assert (upper_ends(models, opposite) < 0).mean() >= 0.95


def test_the_refits_that_differ_the_most_count() -> None:
    """Of one model, the largest disagreement of two refits; of two models, the mean of squares."""
    equal = np.repeat(np.array([[True], [False], [False], [True]]), 10, axis=1)
    assert estimate_honest_agreement([equal]) == 1
    unequal = equal.copy()
    unequal[0, 3] = False
    unequal[1, 5] = True
    assert estimate_honest_agreement([unequal]) == 1 - 2 / 4
    assert estimate_honest_agreement([equal, unequal]) == pytest.approx(1 - 0.5 / 2**0.5)
