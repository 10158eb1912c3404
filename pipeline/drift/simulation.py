"""Artificial drift: changes rows so that drift detection has something to find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipeline.columns import FEATURE_NAMES, FEATURES, Category, Number

SCALE_FACTOR = 1.2
NOISE_STD = 0.1
"""Standard deviation of the noise, in standard deviations of the column."""
FLIP_RATES = (0.10, 0.15)
"""Range of the fraction of rows whose category changes."""

Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def apply_drift(frame: pd.DataFrame, kind: str, seed: int) -> pd.DataFrame:
    """Return the features of a table after a drift.

    Numbers are rounded to the step of their column and stay within its bounds, so that the
    predictor accepts every row.

    Args:
        frame: At least the features, with categories as codes. It is not changed.
        kind: One of KINDS.
        seed: Seed of the random changes; equal arguments give equal rows.

    Returns:
        The features only, one row per row of `frame`.
    """
    changed = KINDS[kind](frame[list(FEATURE_NAMES)].astype(float), np.random.default_rng(seed))
    for number in _numbers():
        steps = (changed[number.name] / number.step).round()
        changed[number.name] = (steps * number.step).clip(number.low, number.high).round(6)
    return changed


def _scale(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return frame.assign(**{column.name: frame[column.name] * SCALE_FACTOR for column in _numbers()})


def _add_noise(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    names = [column.name for column in _numbers()]
    noise = {name: random.normal(0, NOISE_STD * frame[name].std(), len(frame)) for name in names}
    return frame.assign(**{name: frame[name] + values for name, values in noise.items()})


def _flip_categories(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    changed = {}
    for column in FEATURES:
        if isinstance(column, Category):
            codes = np.array(list(column.codes.values()), dtype=float)
            values = frame[column.name].to_numpy(float)
            current = np.argmin(np.abs(codes[:, None] - values), axis=0)
            flips = random.random(len(frame)) < random.uniform(*FLIP_RATES)
            steps = flips * random.integers(1, len(codes), len(frame))
            moved = codes[(current + steps) % len(codes)]
            changed[column.name] = np.where(np.isnan(values), values, moved)
    return frame.assign(**changed)


def _change_everything(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return _flip_categories(_add_noise(_scale(frame, random), random), random)


KINDS: dict[str, Change] = {
    "none": lambda frame, random: frame,
    "scale": _scale,
    "noise": _add_noise,
    "flip": _flip_categories,
    "all": _change_everything,
}
"""Kinds of drift: numbers scaled, numbers with noise, categories flipped, or all of them."""


def _numbers() -> list[Number]:
    return [column for column in FEATURES if isinstance(column, Number)]
