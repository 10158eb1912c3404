"""How far predicted probabilities are from observed rates, by logistic recalibration.

The recalibration `logit(P(positive)) = intercept + slope * logit(probability)` has the intercept 0
and the slope 1 for a calibrated model. The intercept shows probabilities that are too high or too
low on average, the slope probabilities that are too extreme or unrelated to the labels.

References: Cox, Two Further Applications of a Model for Binary Regression, Biometrika 45 (1958);
Van Calster et al., Calibration: the Achilles Heel of Predictive Analytics, BMC Medicine 17 (2019).
"""

from __future__ import annotations

import numpy as np

from pipeline.model.clusters import get_design_factor
from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray, IntArray

BINS = 200
"""Largest number of bins of rows; rows in a bin have nearly the same probability."""
REGION = 5.991465 / 2
"""Loss of log likelihood at the edge of the joint 95 % region of intercept and slope."""
DIRECTIONS, STEPS = 48, 10
"""Points of the region that are searched."""
MAX_LOG_ODDS = 15.0
PRIOR_ROWS = 0.5
"""Rows of each class added at the mean log-odds, so that the fit exists if classes separate."""


class _Bins:
    """Rows grouped by predicted log-odds: their number, positives and mean log-odds per bin.

    `of_rows` has the log-odds of each row, in the order of the rows.
    """

    def __init__(self, labels: IntArray, probability: FloatArray) -> None:
        edge = 1 / (1 + np.exp(MAX_LOG_ODDS))
        clipped = np.clip(probability, edge, 1 - edge)
        self.of_rows = log_odds = np.log(clipped / (1 - clipped))
        order = np.argsort(log_odds, kind="stable")
        starts = np.unique(np.linspace(0, labels.size, BINS, endpoint=False).astype(int))
        self.rows = np.diff([*starts, labels.size]).astype(np.float64)
        self.positives = np.add.reduceat(labels[order].astype(np.float64), starts)
        self.log_odds = np.add.reduceat(log_odds[order], starts) / self.rows
        self.predicted = np.add.reduceat(clipped[order], starts) / self.rows
        self.center = float(np.average(self.log_odds, weights=self.rows))

    def recalibrate(self, parameters: FloatArray) -> FloatArray:
        """Recalibrated probability, shape (n_parameters, n_bins).

        Each parameter is the log-odds at `center`, and the slope.
        """
        log_odds = parameters[:, :1] + parameters[:, 1:] * (self.log_odds - self.center)
        recalibrated: FloatArray = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
        return recalibrated

    def recalibrate_rows(self, parameters: FloatArray) -> FloatArray:
        """Recalibrated probability of each row by one parameter, shape (n_rows,)."""
        log_odds = parameters[0] + parameters[1] * (self.of_rows - self.center)
        rates: FloatArray = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
        return rates

    def log_likelihood(self, parameters: FloatArray) -> FloatArray:
        """Log likelihood of each parameter, shape (n_parameters,)."""
        rate = self.recalibrate(parameters)
        negatives = self.rows - self.positives
        prior = 1 / (1 + np.exp(-np.clip(parameters[:, 0], -30, 30)))
        fit = self.positives * np.log(rate) + negatives * np.log1p(-rate)
        added = PRIOR_ROWS * (np.log(prior) + np.log1p(-prior))
        total: FloatArray = fit.sum(axis=1) + added
        return total

    def errors(self, parameters: FloatArray) -> FloatArray:
        """Mean distance between predicted and recalibrated probability, shape (n_parameters,)."""
        distance = np.abs(self.recalibrate(parameters) - self.predicted)
        averages: FloatArray = np.average(distance, axis=1, weights=self.rows)
        return averages


def calibration_error(
    labels: IntArray, probability: FloatArray, units: IntArray | None = None
) -> Interval:
    """Measure how far predicted probabilities are from the recalibrated ones.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        probability: Predicted probabilities, shape (n_rows,).
        units: Number of each row's unit, shape (n_rows,), such as its person. None if all rows are
            independent.

    Returns:
        The mean absolute difference between predicted and recalibrated probability, divided by
        the observed rate of the rarer class. The interval contains the error at every intercept
        and slope in their joint 95 % likelihood-ratio region, so its lower end is 0 if the rows do
        not contradict the predicted probabilities.
    """
    bins = _Bins(labels, probability)
    rate = float(labels.mean())
    best = _fit(bins, rate)
    edge = REGION
    if units is not None:  # the likelihood counts rows as independent (Rao and Scott, 1984)
        _, unit = np.unique(units, return_inverse=True)
        rates = bins.recalibrate_rows(best)
        edge *= get_design_factor(labels - rates, np.ones(labels.size), unit)
    errors = bins.errors(_find_region(bins, best, edge)) / min(rate, 1 - rate)
    calibrated = np.array([[bins.center, 1.0]])
    loss = bins.log_likelihood(best[None]) - bins.log_likelihood(calibrated)
    low = 0.0 if loss[0] <= edge else float(errors.min())
    return Interval(value=float(errors[0]), low=low, high=float(errors.max()))


def _fit(bins: _Bins, rate: float) -> FloatArray:
    """Maximize the likelihood by Newton's method with step halving."""
    best = np.array([np.log(rate / (1 - rate)), 0.0])
    for _ in range(50):
        step = np.linalg.solve(_information(bins, best), _gradient(bins, best))
        value = bins.log_likelihood(best[None])[0]
        for _ in range(30):
            if bins.log_likelihood((best + step)[None])[0] >= value:
                break
            step = step / 2
        best = best + step
        if np.abs(step).max() < 1e-9:
            break
    return best


def _gradient(bins: _Bins, at: FloatArray) -> FloatArray:
    residual = bins.positives - bins.rows * bins.recalibrate(at[None])[0]
    prior = 1 / (1 + np.exp(-np.clip(at[0], -30, 30)))
    added = PRIOR_ROWS * (1 - 2 * prior)
    return np.array([residual.sum() + added, (residual * (bins.log_odds - bins.center)).sum()])


def _information(bins: _Bins, at: FloatArray) -> FloatArray:
    """Negative second derivatives of the log likelihood, kept invertible."""
    rate, distance = bins.recalibrate(at[None])[0], bins.log_odds - bins.center
    weight = bins.rows * rate * (1 - rate)
    mixed = (weight * distance).sum()
    found = np.array([[weight.sum(), mixed], [mixed, (weight * distance**2).sum()]])
    invertible: FloatArray = found + 1e-6 * np.eye(2)
    return invertible


def _find_region(bins: _Bins, best: FloatArray, edge: float) -> FloatArray:
    """Points of the joint region, shape (n_points, 2); the first is the best one.

    The likelihood is concave, so each ray from the best point leaves the region once.
    """
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rays = circle @ np.linalg.inv(np.linalg.cholesky(_information(bins, best)))
    floor = bins.log_likelihood(best[None])[0] - edge
    inside, outside = np.zeros(DIRECTIONS), np.full(DIRECTIONS, 10.0)
    for _ in range(20):
        middle = (inside + outside) / 2
        is_inside = bins.log_likelihood(best + middle[:, None] * rays) >= floor
        inside, outside = np.where(is_inside, middle, inside), np.where(is_inside, outside, middle)
    fractions = np.linspace(0, 1, STEPS)
    steps = (fractions[:, None] * inside)[:, :, None] * rays
    points: FloatArray = (best + steps).reshape(-1, 2)
    return points
