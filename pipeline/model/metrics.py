"""How well scores tell the classes apart, and whether one model does it better than another on the same rows.

Intervals are percentile bootstrap intervals over 95 % (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13),
resampled within each class, so that a resample never loses the few positive rows; in a paired comparison both models are
measured on the same resample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.decision import is_positive
from pipeline.storage.artifacts import Interval

Floats = NDArray[np.float64]
MAX_DRAWN = 200_000_000  # rows in all resamples together: half a minute
METRICS = ("roc_auc", "pr_auc", "recall", "precision", "specificity", "balanced_accuracy", "brier")


@dataclass(frozen=True)
class Predictions:
    """Fail probabilities [rows] that a model gave, and the threshold that it answers the positive label from."""

    probability: Floats
    threshold: float

    @property
    def positive(self) -> NDArray[np.bool_]:
        return is_positive(self.probability, self.threshold)


class MetricCalculator:
    """Metrics of one model's scores for rows weighted by how often each is drawn; sorts the scores once."""

    def __init__(self, label: NDArray[np.int64], scored: Predictions) -> None:
        self._label = label == 1
        self._called = scored.positive
        self._error = (scored.probability - label) ** 2
        _, self._place = np.unique(scored.probability, return_inverse=True)
        self._places = int(self._place.max()) + 1

    def __call__(self, weight: Floats) -> dict[str, float]:
        positive, negative = weight * self._label, weight * ~self._label
        hits, alarms = float(positive[self._called].sum()), float(negative[self._called].sum())
        recall, specificity = hits / float(positive.sum()), 1 - alarms / float(negative.sum())
        above: Floats = np.bincount(self._place, positive, self._places).astype(np.float64)
        below: Floats = np.bincount(self._place, negative, self._places).astype(np.float64)
        return {
            "roc_auc": _roc_auc(above, below),
            "pr_auc": _pr_auc(above, below),
            "recall": recall,
            "precision": hits / (hits + alarms) if hits + alarms else 0.0,
            "specificity": specificity,
            "balanced_accuracy": (recall + specificity) / 2,
            "brier": float((weight * self._error).sum() / weight.sum()),
        }


def _roc_auc(above: Floats, below: Floats) -> float:
    """Share of pairs of a positive and a negative row that the scores order rightly; equal scores count half.

    `above` and `below` are the weights of the positive and the negative rows at each distinct score, ascending.
    """
    ordered = (above * (np.cumsum(below) - below / 2)).sum()
    return float(ordered / (above.sum() * below.sum()))


def _pr_auc(above: Floats, below: Floats) -> float:
    """Average precision: the precision at each distinct score, weighted by the recall that is gained there."""
    hits, called = np.cumsum(above[::-1]), np.cumsum((above + below)[::-1])
    precision = hits / np.where(called == 0, 1, called)
    return float((precision * above[::-1]).sum() / above.sum())


def bootstrap_weights(label: NDArray[np.int64], samples: int, seed: int) -> Iterator[Floats]:
    """Weights [rows] of `samples` bootstrap resamples, drawn within each class; of fewer (at least 200) where rows are many."""
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(label == value) for value in (0, 1)]
    for _ in range(min(samples, max(200, MAX_DRAWN // label.size))):
        drawn = np.concatenate([random.choice(rows, rows.size) for rows in classes])
        yield np.bincount(drawn, minlength=label.size).astype(np.float64)


def percentile_interval(value: float, drawn: Floats) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value=value, low=float(low), high=float(high))


def _intervals(
    measure: Callable[[Floats], dict[str, float]], label: NDArray[np.int64], samples: int, seed: int
) -> dict[str, Interval]:
    whole = measure(np.ones(label.size))
    drawn = [measure(weight) for weight in bootstrap_weights(label, samples, seed)]
    return {
        name: percentile_interval(value, np.array([each[name] for each in drawn]))
        for name, value in whole.items()
    }


def compute_metrics(
    label: NDArray[np.int64], scored: Predictions, samples: int, seed: int
) -> dict[str, Interval]:
    """Each of METRICS with its interval; `label` [rows] must hold both classes."""
    return _intervals(MetricCalculator(label, scored), label, samples, seed)


def paired_differences(
    label: NDArray[np.int64], one: Predictions, other: Predictions, samples: int, seed: int
) -> dict[str, Interval]:
    """Each of METRICS, `one` minus `other` on the same rows and resamples, with its interval."""
    first, second = MetricCalculator(label, one), MetricCalculator(label, other)

    def difference(weight: Floats) -> dict[str, float]:
        ours, theirs = first(weight), second(weight)
        return {name: ours[name] - theirs[name] for name in METRICS}

    return _intervals(difference, label, samples, seed)


def flatten_metrics(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """Metrics as MLflow keeps them: NAME, NAME_low, NAME_high."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{name}{end}": getattr(metric, field)
        for name, metric in metrics.items()
        for end, field in ends.items()
    }
