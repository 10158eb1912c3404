"""Evidence that one model ranks better than another, which may be checked after every run.

The evidence is an e-value: the capital of a gambler who starts with 1 and bets, unit by unit, that
the first model ranks better. If it does not, the expected capital never exceeds 1, so the
probability that it ever reaches 20 is at most 1/20, no matter how often and when it is checked
(Ville's inequality). Evidence on further rows multiplies.

A unit is a group of positive and negative rows; each row is in one unit. Its
difference is the fraction of its pairs that the first model ranks correctly, minus that of the
second. The units are independent, and the mean of each is the difference in ROC AUC, so the bound
is exact for any number of rows and any distribution of the scores.

References: Waudby-Smith and Ramdas, Estimating Means of Bounded Random Variables by Betting,
Journal of the Royal Statistical Society B 86 (2024); Ramdas et al., Game-Theoretic Statistics and
Safe Anytime-Valid Inference, Statistical Science 38 (2023).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.types import FloatArray, IntArray

MAX_UNITS = 1_000
BETS = np.array([0.9, 0.45, 0.2, 0.08, 0.03, 0.01])
"""Fractions of the largest possible bet; the small ones see small differences in many rows."""
SHARES = np.array([16, 8, 4, 2, 1, 1]) / 32
"""The part of the capital that starts with each bet."""


def paired_differences(
    labels: IntArray, first: FloatArray, second: FloatArray, seed: int
) -> FloatArray:
    """Compare the rankings of two models unit by unit.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        first: Scores of the first model, shape (n_rows,).
        second: Scores of the second model, shape (n_rows,).
        seed: Seed of the assignment of rows to units.

    Returns:
        Per unit, the fraction of pairs that the first model ranks correctly minus that of the
        second, from -1 to 1; ties count half. Empty if one of the classes is missing.
    """
    random = np.random.default_rng(seed)
    positives, negatives = (random.permutation(np.flatnonzero(labels == value)) for value in (1, 0))
    units = min(positives.size, negatives.size, MAX_UNITS)
    if not units:
        return np.zeros(0)
    parts = zip(np.array_split(positives, units), np.array_split(negatives, units), strict=True)
    return np.array(
        [
            rank_correctly(first[above], first[below])
            - rank_correctly(second[above], second[below])
            for above, below in parts
        ]
    )


def rank_correctly(positives: FloatArray, negatives: FloatArray) -> FloatArray:
    """Fraction of the pairs of a unit whose positive row has the higher score.

    Args:
        positives: Scores of positive rows, shape (..., n_positives).
        negatives: Scores of negative rows, shape (..., n_negatives).

    Returns:
        The fraction of each unit, shape (...,); ties count half.
    """
    signs = np.sign(positives[..., :, None] - negatives[..., None, :])
    fraction: FloatArray = (signs.mean(axis=(-2, -1)) + 1) / 2
    return fraction


def log_growth(differences: FloatArray, margin: float) -> FloatArray:
    """Logarithm of the factor by which each bet's capital grows.

    Args:
        differences: Differences of units, shape (..., n_units).
        margin: The hypothesis that is bet against: the mean difference is at most -margin.

    Returns:
        A logarithm for each of BETS, shape (..., n_bets).
    """
    stakes = BETS / (1 - margin)
    growth: FloatArray = np.log1p(stakes * (differences[..., None] + margin)).sum(axis=-2)
    return growth


def e_value(growths: FloatArray) -> FloatArray:
    """Capital of all bets together.

    Args:
        growths: Sum of `log_growth` over all looks, shape (..., n_bets).
    """
    capital: FloatArray = (SHARES * np.exp(np.minimum(growths, 600))).sum(axis=-1)
    return capital


def combine(looks: Iterable[FloatArray], margin: float) -> float:
    """Return the e-value of the differences of several looks.

    Args:
        looks: Differences of the units of each look, shape (n_units,). No row is in two looks.
        margin: As for `log_growth`.
    """
    growth = sum((log_growth(look, margin) for look in looks), np.zeros(BETS.size))
    return float(e_value(growth))


def correction(number: int) -> float:
    """Factor by which an e-value is reduced because several challenges share the error rate.

    Args:
        number: Position of the challenge among those that were opened within a year, from 1.

    Returns:
        A factor; the factors of all positions add up to 1, so the rates of all challenges add up
        to the rate of one test (alpha spending).
    """
    return 6 / (np.pi * number) ** 2
