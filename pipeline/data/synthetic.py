"""A seeded generator of survey files with the raw header, ranges and class balance of pipeline/columns.py."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.columns import FEATURES, LABEL, RAW_HEADER, SAMPLE_EFFECTS, Feature, Number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_ROWS = 1_000


def generate_csv(rows: int, seed: int) -> bytes:
    """A raw CSV file of `rows` generated students; equal arguments give equal bytes.

    Each row's log-odds of the positive label is the sum of its SAMPLE_EFFECTS plus a constant that makes the expected
    share of positive rows LABEL.rate.
    """
    import csv
    import io

    import numpy as np

    random = np.random.default_rng(seed)
    columns = {feature.name: draw(feature, rows, random) for feature in FEATURES}
    log_odds = np.zeros(rows)
    for effect in SAMPLE_EFFECTS:
        values = columns[effect.feature]
        log_odds += np.where((values >= effect.low) & (values < effect.high), effect.weight, 0.0)
    positive = random.random(rows) < _logistic(log_odds + _intercept(log_odds, LABEL.rate))
    label = np.where(positive, LABEL.positive_raw, LABEL.negative_raw)

    text = [_texts(feature, columns[feature.name]) for feature in FEATURES]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(RAW_HEADER)
    writer.writerows(zip(*text, label.tolist(), strict=True))
    return file.getvalue().encode()


def draw(feature: Feature, rows: int, random: np.random.Generator) -> NDArray[np.float64]:
    """`rows` values of one column, as the survey's are spread."""
    import numpy as np

    if isinstance(feature, Number):
        low, high = feature.typical
        steps = round((high - low) / feature.step)
        return np.round(low + random.integers(0, steps + 1, rows) * feature.step, 6)
    return random.choice(
        np.array(list(feature.codes.values()), dtype=float), rows, p=feature.shares
    )


def _texts(feature: Feature, values: NDArray[np.float64]) -> list[str]:
    return (
        [f"{value:g}" for value in values.tolist()]
        if feature.is_integer
        else [repr(value) for value in values.tolist()]
    )


def _logistic(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return 1 / (1 + np.exp(-log_odds))


def _intercept(log_odds: NDArray[np.float64], rate: float) -> float:
    """The constant for which the mean probability is `rate`, by bisection."""
    low, high = -50.0, 50.0
    while high - low > 1e-9:
        middle = math.fsum((low, high)) / 2
        low, high = (middle, high) if _logistic(log_odds + middle).mean() < rate else (low, middle)
    return low
