"""Joint drift: can a classifier separate current rows from the reference?

It finds changes that no single column shows, such as a reversed correlation. The classifier is
linear in the columns, their squares and their pairwise products, and is fitted by ridge regression
on which side a row is from. The p-value of its cross-fitted ROC AUC comes from permutations of the
sides, so it is valid for any classifier.

References: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests (2017); Besag and Clifford,
Sequential Monte Carlo p-values (1991).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from pipeline.drift.columns import Column
from pipeline.drift.decisions import FEATURES_WEIGHT, JOINT_WEIGHT, PREDICTION_WEIGHT
from pipeline.drift.report import JointDrift
from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings.drift import DriftSettings

MAX_ROWS = 2_000
"""Rows per side; of more rows, a random sample is compared."""
MAX_TERMS = 300
"""Terms of the classifier; of more products, a random selection is used."""
MAX_CATEGORIES = 10
"""Categories of a column that get their own term: the most frequent ones but the first."""
MIN_STD = 1e-9
"""A term that varies less is constant."""
FOLDS = 5
PERMUTATIONS_PER_BOUND = 2.5
"""Most permutations, in multiples of the smallest number whose p-value can be below the bound of
the first decision."""
BATCH = 100
"""Permutations evaluated at once."""
MAX_EXCEEDANCES = 20
"""The permutations stop when this many have an AUC as large as the observed one."""
STRONGEST = 3
"""Number of terms that the report names."""


def compare_jointly(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[Column],
    settings: DriftSettings,
    seed: int,
) -> JointDrift:
    """Compare the joint distribution of the columns.

    Args:
        reference: Rows that the model learned from; floats or NaN, which counts as average.
        current: Rows to compare with them.
        columns: The features.
        settings: Bounds of the verdict.
        seed: Seed of the samples, folds and permutations.

    Returns:
        The result, without its verdict; see decisions.py.
    """
    random = np.random.default_rng(seed)
    sides = [_sample(frame, columns, random) for frame in (reference, current)]
    rows = np.concatenate(sides)
    is_current = np.repeat([0, 1], [len(side) for side in sides])
    order = random.permutation(len(rows))  # ties of scores are broken at random
    terms, names = make_terms(rows[order], columns, random)
    is_current = is_current[order]
    auc, p_value = _test(
        terms, is_current, count_permutations(settings.max_false_positive_rate), random
    )
    gaps = terms[is_current == 1].mean(axis=0) - terms[is_current == 0].mean(axis=0)
    strongest = np.argsort(-np.abs(gaps), kind="stable")[:STRONGEST]
    return JointDrift(
        rows=[len(side) for side in sides],
        auc=auc,
        score=p_value,
        threshold=settings.max_false_positive_rate,
        effect=max(2 * auc - 1, 0.0),
        min_effect=settings.min_effect,
        strongest=[names[index] for index in strongest],
    )


def _sample(
    frame: pd.DataFrame, columns: Sequence[Column], random: np.random.Generator
) -> FloatArray:
    rows = frame[[column.name for column in columns]].to_numpy(float)
    if len(rows) <= MAX_ROWS:
        return rows
    return rows[random.choice(len(rows), MAX_ROWS, replace=False)]


def make_terms(
    rows: FloatArray, columns: Sequence[Column], random: np.random.Generator
) -> tuple[FloatArray, list[str]]:
    """Compute the terms of the classifier.

    Args:
        rows: Both sides, shape (n_rows, n_columns).
        columns: The columns.
        random: Chooses products if there are too many.

    Returns:
        The terms, shape (n_rows, n_terms), each with mean 0 and standard deviation 1, and their
        names. Numbers enter by their ranks, so that neither units nor outliers matter. Constant
        terms are left out.
    """
    terms: list[FloatArray] = []
    names: list[str] = []
    owners: list[int] = []
    for index, column in enumerate(columns):
        for name, values in _encode(rows[:, index], column):
            terms.append(values)
            names.append(name)
            owners.append(index)
    products = [
        (first, second)
        for first, second in combinations(range(len(terms)), 2)
        if owners[first] != owners[second]
    ]
    products += [
        (term, term) for term, owner in enumerate(owners) if columns[owner].kind == "number"
    ]
    room = max(MAX_TERMS - len(terms), 0)
    if len(products) > room:
        chosen = sorted(random.choice(len(products), room, replace=False))
        products = [products[index] for index in chosen]
    for first, second in products:
        terms.append(terms[first] * terms[second])
        names.append(f"{names[first]} x {names[second]}")
    table = np.column_stack(terms) if terms else np.empty((len(rows), 0))
    known = np.isfinite(table)
    means = np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    # A missing value becomes the mean of its term, not of its column: it is no evidence.
    table = np.where(known, table - means, 0)
    std = table.std(axis=0)
    varies = std > MIN_STD
    kept = [name for name, is_kept in zip(names, varies, strict=True) if is_kept]
    return table[:, varies] / std[varies], kept


def _encode(values: FloatArray, column: Column) -> Iterator[tuple[str, FloatArray]]:
    """Yield the name and the centered values of a column's own terms; NaN is missing.

    A column that may be blank has a term for blanks.
    """
    from scipy import stats

    known = np.isfinite(values)
    if column.blank_value is not None and column.kind == "category":
        values, known = np.where(known, values, column.blank_value), np.full(len(values), True)
    if column.kind == "number":
        if column.blank_value is not None:
            yield f"{column.name} blank", known.mean() - known
        ranks = np.full(len(values), np.nan)
        ranks[known] = stats.rankdata(values[known]) / (known.sum() + 1) - 0.5
        yield column.name, ranks
        return
    codes, counts = np.unique(values[known], return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[1 : MAX_CATEGORIES + 1]
    for code in codes[np.sort(frequent)]:
        indicator = (values == code).astype(float)
        yield (
            f"{column.name} {column.category_name(code)}",
            np.where(known, indicator - indicator[known].mean(), np.nan),
        )


def count_permutations(max_false_positive_rate: float) -> int:
    """Return the most permutations of a test, enough for its p-value to be significant.

    Args:
        max_false_positive_rate: The bound of all decisions together.
    """
    fraction = JOINT_WEIGHT / (FEATURES_WEIGHT + PREDICTION_WEIGHT + JOINT_WEIGHT)
    return round(PERMUTATIONS_PER_BOUND / (max_false_positive_rate * fraction)) - 1


def _test(
    terms: FloatArray, is_current: IntArray, most: int, random: np.random.Generator
) -> tuple[float, float]:
    """Return the cross-fitted AUC and its p-value, from at most `most` permutations."""
    if terms.shape[1] == 0:
        return 0.5, 1.0
    fits = [_fold(terms, np.arange(len(terms)) % FOLDS == fold) for fold in range(FOLDS)]
    auc = float(_cross_fitted_auc(fits, is_current[None])[0])
    exceedances = used = 0
    while used < most:
        count = min(BATCH, most - used)
        permuted = random.permuted(np.tile(is_current, (count, 1)), axis=1)
        reached = exceedances + np.cumsum(_cross_fitted_auc(fits, permuted) >= auc)
        if reached[-1] >= MAX_EXCEEDANCES:
            stop = int(np.argmax(reached >= MAX_EXCEEDANCES)) + 1
            return auc, MAX_EXCEEDANCES / (used + stop)
        exceedances, used = int(reached[-1]), used + count
    return auc, (exceedances + 1) / (used + 1)


Fold = tuple["np.ndarray[tuple[int], np.dtype[np.bool_]]", FloatArray, FloatArray]


def _fold(terms: FloatArray, held_out: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Fold:
    """Return the held-out rows, their terms, and the matrix that fits labels to coefficients.

    The penalty of the ridge regression is the number of terms.
    """
    fitted = terms[~held_out]
    gram = fitted.T @ fitted + len(terms.T) * np.eye(len(terms.T))
    return (
        held_out,
        terms[held_out].T.astype(np.float32),
        np.linalg.solve(gram, fitted.T).T.astype(np.float32),
    )


def _cross_fitted_auc(folds: Sequence[Fold], labels: IntArray) -> FloatArray:
    """Return the mean AUC of the folds for each labelling, shape (n_labellings,)."""
    total = np.zeros(len(labels))
    for held_out, terms, fit in folds:
        train = labels[:, ~held_out].astype(np.float32)
        scores = (train - train.mean(axis=1, keepdims=True)) @ fit @ terms
        positive = np.take_along_axis(labels[:, held_out], np.argsort(scores, axis=1), axis=1)
        n_positive = positive.sum(axis=1)
        n_negative = positive.shape[1] - n_positive
        rank_sums = positive @ np.arange(1, positive.shape[1] + 1)
        pairs = np.maximum(n_positive * n_negative, 1)  # 0 only if a fold has one side
        total += (rank_sums - n_positive * (n_positive + 1) / 2) / pairs
    return total / len(folds)
