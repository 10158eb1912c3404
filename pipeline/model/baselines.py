"""Baselines that a selected candidate is compared with, on the same outer folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.cross_validation import (
    OuterFold,
    cross_validate,
    estimate_differences,
    estimate_metrics,
)
from pipeline.model.families import make_plain_logistic
from pipeline.model.metrics import Predictions
from pipeline.model.rules import Rule, find_best_rule
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.storage.artifacts.base import Interval
from pipeline.types import IntArray

BASE_RATE, SHORT_RULE, LOGISTIC = "base rate", "best short rule", "logistic regression"


@dataclass(frozen=True)
class Baselines:
    """What simple predictors reach on the outer folds.

    Attributes:
        metrics: Metrics of each baseline, by its name.
        rule: The best short rule on all rows.
        gains: ROC AUC and balanced accuracy of the selection minus those of the short rule.
    """

    metrics: dict[str, dict[str, Interval]]
    rule: str
    gains: dict[str, Interval]


def measure_baselines(
    data: TrainingData, outer_folds: Sequence[OuterFold], settings: Settings
) -> Baselines:
    """Measure every baseline in the outer folds, and compare the selection with the short rule.

    Args:
        data: The rows that the folds divide.
        outer_folds: The outer cross-validation of the selection.
        settings: The seed and the section `train`.
    """
    rows = data.rows.astype(np.float64)
    constant, ruled = [], []
    for fold in outer_folds:
        known = np.setdiff1d(np.arange(data.labels.size), fold.indices)
        labels = data.labels[known]
        rate = np.full(fold.indices.size, labels.mean())
        constant.append(OuterFold(fold.indices, BASE_RATE, Predictions(rate, 1.0)))
        rule = find_best_rule(rows[known], labels)
        predictions = _predict(rule, rows[known], labels, rows[fold.indices])
        ruled.append(OuterFold(fold.indices, SHORT_RULE, predictions))
    logistic = cross_validate(data, settings.train, settings.seed, (make_plain_logistic(),))
    folds = {BASE_RATE: constant, SHORT_RULE: ruled, LOGISTIC: logistic}
    gains = estimate_differences(data.labels, outer_folds, ruled)
    return Baselines(
        metrics={name: estimate_metrics(data.labels, found) for name, found in folds.items()},
        rule=str(find_best_rule(rows, data.labels)),
        gains={name: gains[name] for name in ("roc_auc", "balanced_accuracy")},
    )


def _predict(rule: Rule, known: np.ndarray, labels: IntArray, unknown: np.ndarray) -> Predictions:
    """Predict the rate of positive rows where the rule holds, and where it does not."""
    holds = rule.predict(known)
    rates = [float(labels[holds == value].mean()) for value in (False, True)]
    probability = np.where(rule.predict(unknown), rates[1], rates[0])
    return Predictions(probability, rates[1])
