"""The agreement of honest fits, on linear models of simulated rows."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.evaluation.honest_agreement import compare_agreement, estimate_honest_agreement
from pipeline.types import BoolArray, FloatArray

ROWS, FEATURES, REFITS, MODELS, SHOWN = 200, 16, 20, 100, 500


class Fitted(NamedTuple):
    """Labels of SHOWN rows by a fit on all rows, and by REFITS fits on random halves."""

    labels: BoolArray
    refits: BoolArray


def fit(rows: FloatArray, targets: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(rows, targets, rcond=None)[0], np.float64)


@pytest.fixture(scope="module")
def models() -> list[Fitted]:
    """Models that learned from other rows of one population."""
    random = np.random.default_rng(20)
    shown, truth = random.normal(size=(SHOWN, FEATURES)), random.normal(size=FEATURES)
    fitted = []
    for _ in range(MODELS):
        rows = random.normal(size=(ROWS, FEATURES))
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
    """At least 95 % of the pairs do, though most agree on less than 80 % of the rows."""
    labels = [model.labels for model in models]
    agreements = [(a == b).mean() for a, b in pairwise(labels)]
    assert np.quantile(agreements, 0.75) < 0.8
    assert (upper_ends(models, labels) >= 0).mean() >= 0.95


def test_a_different_model_fails(models: list[Fitted]) -> None:
    """So does nearly every one whose labels have nothing to do with the champion's."""
    random = np.random.default_rng(0)
    unrelated = [random.permutation(model.labels) for model in models]
    assert (upper_ends(models, unrelated) >= 0).mean() <= 0.1


def test_stable_refits_agree() -> None:
    """Equal refits disagree on nothing; random ones on half of the rows, times the spread."""
    equal = np.repeat(np.array([[True], [False], [False]]), 10, axis=1)
    assert estimate_honest_agreement([equal]) == 1
    random = np.random.default_rng(0).random((10_000, 20)) < 0.5
    assert estimate_honest_agreement([random]) == pytest.approx(1 - 1.3 / 2, abs=0.01)
    both = estimate_honest_agreement([equal, random])
    assert both == pytest.approx(1 - 1.3 / 2 / 2**0.5, abs=0.01)
