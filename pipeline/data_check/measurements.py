"""The measurements of the data check. All of them need only NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.columns import FEATURES, Category
from pipeline.data_check.report import (
    DuplicateCheck,
    FeatureCheck,
    NullCheck,
    OrderCheck,
    RuleCheck,
)
from pipeline.model.intervals import midranks, roc_auc, roc_auc_interval
from pipeline.model.rules import find_best_rule
from pipeline.types import BoolArray, FloatArray, IntArray

FOLDS = 5
PERMUTATIONS = 100
RIDGE = 1e-3
"""Penalty of the linear discriminant, which keeps collinear features from dividing by zero."""


def check_order(labels: IntArray) -> OrderCheck:
    """Test whether the label depends on the row's place in the file.

    The ROC AUC of the row number finds a trend, the runs test finds clusters too.

    Args:
        labels: 1 for the positive class, shape (n_rows,), in the order of the file; both classes
            must occur twice.

    Returns:
        Both measures with their two-sided p-values.

    Reference: Wald and Wolfowitz, On a Test Whether Two Samples are from the Same Population,
    Annals of Mathematical Statistics 11 (1940).
    """
    total, positives = labels.size, int(labels.sum())
    pairs = positives * (total - positives)
    auc = roc_auc_interval(labels, np.arange(total, dtype=np.float64))
    runs = 1 + int(np.count_nonzero(np.diff(labels)))
    expected = 1 + 2 * pairs / total
    variance = (expected - 1) * (expected - 2) / (total - 1)
    return OrderCheck(
        auc=auc,
        p_value=_two_sided((auc.value - 0.5) / math.sqrt((total + 1) / (12 * pairs))),
        runs=runs,
        expected_runs=expected,
        runs_p_value=_two_sided((runs - expected) / math.sqrt(variance)) if variance > 0 else 1.0,
    )


def _two_sided(z: float) -> float:
    """The two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def check_duplicates(rows: FloatArray, labels: IntArray, seed: int) -> DuplicateCheck:
    """Count rows that repeat the features of an earlier row.

    On a coarse grid of values, rows repeat by chance. How many do is measured on the same columns,
    each shuffled separately.

    Args:
        rows: Features, shape (n_rows, n_features).
        labels: 1 for the positive class, shape (n_rows,).
        seed: Seed of the shuffling.

    Returns:
        The numbers of repeated rows, of those expected by chance, and of contradicting rows.
    """
    codes = [np.unique(column, return_inverse=True)[1] for column in rows.T]
    _, groups = np.unique(_number_rows(codes), return_inverse=True)
    sizes = np.bincount(groups)
    positives = np.bincount(groups, weights=labels)
    is_mixed = (positives > 0) & (positives < sizes)
    random = np.random.default_rng(seed)
    shuffled = _number_rows([random.permutation(column) for column in codes])
    return DuplicateCheck(
        repeated=int(groups.size - sizes.size),
        expected=int(groups.size - np.unique(shuffled).size),
        contradicting=int(sizes[is_mixed].sum()),
    )


def _number_rows(codes: list[IntArray]) -> IntArray:
    """A number per row that is equal for equal rows, shape (n_rows,)."""
    numbers, count = np.zeros_like(codes[0]), 1
    for column in codes:
        width = int(column.max()) + 1
        if count * width > np.iinfo(np.int64).max:
            numbers = np.unique(numbers, return_inverse=True)[1]
            count = int(numbers.max()) + 1
        numbers, count = numbers * width + column, count * width
    return numbers


def check_features(rows: FloatArray, sample: IntArray, labels: IntArray) -> list[FeatureCheck]:
    """Measure each feature separately.

    Args:
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).
        sample: Indices of the rows that ROC AUCs are computed on, shape (n_sampled,).
        labels: 1 for the positive class, shape (n_rows,).

    Returns:
        One result per feature, in the order of columns.FEATURES.
    """
    chosen = labels[sample]
    has_both = 2 <= int(chosen.sum()) <= chosen.size - 2
    checks = []
    for index, feature in enumerate(FEATURES):
        _, counts = np.unique(rows[:, index], return_counts=True)
        scores = rows[sample, index]
        if isinstance(feature, Category) and not feature.ordered:
            scores = _positive_rates(scores, chosen)
        else:
            scores = np.where(np.isnan(scores), feature.blank_value, scores)
        if has_both and roc_auc(chosen, scores) < 0.5:
            scores = -scores
        blanks = int(np.isnan(rows[:, index]).sum())
        checks.append(
            FeatureCheck(
                name=feature.name,
                distinct=counts.size - (blanks > 0),
                blanks=blanks,
                most_common=float(counts.max() / len(rows)),
                auc=roc_auc_interval(chosen, scores) if has_both else None,
            )
        )
    return checks


def _positive_rates(codes: FloatArray, labels: IntArray) -> FloatArray:
    """The rate of positive rows in each row's category, shape (n_rows,)."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rates: FloatArray = (np.bincount(inverse, weights=labels) / counts)[inverse]
    return rates


def check_null(rows: FloatArray, labels: IntArray, seed: int) -> NullCheck:
    """Compare a simple model with the same model on permuted labels.

    The model is a linear discriminant on standardized numbers and one column per category. Labels
    are permuted within each fold, so every fold keeps its positive rows.

    Args:
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).
        labels: 1 for the positive class, shape (n_rows,); FOLDS of each class at least.
        seed: Seed of the folds and of the permutations.

    Returns:
        The model's ROC AUC, that of permuted labels, and the p-value.

    Reference: Ojala and Garriga, Permutation Tests for Studying Classifier Performance, JMLR 11
    (2010).
    """
    random = np.random.default_rng(seed)
    fold_of = assign_folds(labels, random)
    design = _make_design(rows)
    folds = [_make_fold(design, labels, fold_of == fold, random) for fold in range(FOLDS)]
    gram = np.sum([fold.gram for fold in folds], axis=0)
    products = np.sum([fold.products for fold in folds], axis=0)
    areas = np.zeros(PERMUTATIONS + 1)
    for fold in folds:
        n_train = len(design) - len(fold.rows)
        rate = (labels.sum() - fold.targets[:, 0].sum()) / n_train  # permuting keeps it
        sums = design.sum(axis=0) - fold.rows.sum(axis=0)
        ridge = RIDGE * n_train * np.eye(design.shape[1])
        weights = np.linalg.solve(
            gram - fold.gram + ridge, products - fold.products - rate * sums[:, None]
        )
        areas += _column_aucs(fold.targets, fold.rows @ weights) / FOLDS
    null = areas[1:]
    return NullCheck(
        auc=float(areas[0]),
        null_mean=float(null.mean()),
        null_high=float(np.quantile(null, 0.95)),
        permutations=PERMUTATIONS,
        p_value=float((1 + np.sum(null >= areas[0])) / (1 + PERMUTATIONS)),
    )


@dataclass(frozen=True)
class _Fold:
    """A fold and its sums, which are subtracted from the totals to fit on the other folds.

    Attributes:
        rows: Its rows of the design, shape (n_fold, n_columns).
        targets: Its labels, and permutations of them, shape (n_fold, PERMUTATIONS + 1).
        gram: Products of the columns, shape (n_columns, n_columns).
        products: Products of the columns and the targets, shape (n_columns, PERMUTATIONS + 1).
    """

    rows: FloatArray
    targets: FloatArray
    gram: FloatArray
    products: FloatArray


def _make_fold(
    design: FloatArray, labels: IntArray, is_inside: BoolArray, random: np.random.Generator
) -> _Fold:
    rows = design[is_inside]
    targets = np.repeat(labels[is_inside, None].astype(np.float64), PERMUTATIONS + 1, axis=1)
    targets[:, 1:] = random.permuted(targets[:, 1:], axis=0)
    return _Fold(rows, targets, rows.T @ rows, rows.T @ targets)


def assign_folds(labels: IntArray, random: np.random.Generator) -> IntArray:
    """Assign rows to FOLDS stratified folds.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        random: Shuffles the rows of each class.

    Returns:
        The fold of each row, shape (n_rows,).
    """
    fold_of = np.zeros(labels.size, dtype=np.int64)
    for value in (0, 1):
        inside = np.flatnonzero(labels == value)
        fold_of[inside] = random.permutation(inside.size) % FOLDS
    return fold_of


def _make_design(rows: FloatArray) -> FloatArray:
    """Centered columns: standardized numbers, and an indicator of each category and of blanks."""
    columns: list[FloatArray] = []
    for index, feature in enumerate(FEATURES):
        values, is_blank = rows[:, index], np.isnan(rows[:, index])
        if is_blank.any():
            columns.append(is_blank.astype(np.float64))
            known = values[~is_blank]
            values = np.where(is_blank, known.mean() if known.size else 0.0, values)
        if isinstance(feature, Category):
            columns += [(values == code).astype(np.float64) for code in np.unique(values)]
        else:
            columns.append(values / (values.std() if np.ptp(values) else 1.0))
    design = np.column_stack(columns)
    centered: FloatArray = design - design.mean(axis=0)
    return centered


def _column_aucs(labels: FloatArray, scores: FloatArray) -> FloatArray:
    """ROC AUC of each column of scores against the same column of labels, shape (n_columns,)."""
    ranks = np.column_stack([midranks(column) for column in scores.T])
    positives = labels.sum(axis=0)
    above = (ranks * labels).sum(axis=0) - positives * (positives + 1) / 2
    areas: FloatArray = above / (positives * (len(labels) - positives))
    return areas


def check_rule(rows: FloatArray, labels: IntArray, seed: int) -> RuleCheck:
    """Find the best short rule, on all rows and by cross-validation.

    Args:
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).
        labels: 1 for the positive class, shape (n_rows,); FOLDS of each class at least.
        seed: Seed of the folds.

    Returns:
        The rule that fits all rows best, and its quality on rows that it was not found on.
    """
    rule = find_best_rule(rows, labels)
    predicted = rule.predict(rows)
    recall = float(predicted[labels == 1].mean())
    specificity = float(1 - predicted[labels == 0].mean())
    fold_of = assign_folds(labels, np.random.default_rng(seed))
    areas = []
    for fold in range(FOLDS):
        train, test = fold_of != fold, fold_of == fold
        held_out = find_best_rule(rows[train], labels[train]).predict(rows[test])
        areas.append(roc_auc(labels[test], held_out.astype(np.float64)))
    return RuleCheck(
        rule=str(rule),
        auc=(recall + specificity) / 2,
        cross_validated_auc=float(np.mean(areas)),
        recall=recall,
        specificity=specificity,
    )
