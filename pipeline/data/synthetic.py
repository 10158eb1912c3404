"""Generate raw files with the header, value ranges and class balance of the columns file."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.column_file.dates import DAYS_PER_UNIT
from pipeline.column_file.roles import Key, Role, Time
from pipeline.columns import (
    LABEL,
    ROLES,
    ROW_COLUMNS,
    SAMPLE_EFFECTS,
    SOURCE_HEADER,
    Category,
    Feature,
    Number,
)

if TYPE_CHECKING:
    import numpy as np

    from pipeline.types import FloatArray

DEFAULT_ROWS = 1_000
SAMPLE_DATE = date(2026, 1, 1)
"""Date in generated rows until which another date is measured."""
SAMPLE_YEARS = ("2023", "2024", "2025")
SAMPLE_GROUPS = ("A", "B", "C", "D")


def generate_csv(rows: int, seed: int) -> bytes:
    """Generate a raw CSV file.

    The log-odds of the positive outcome are the sum of the row's SAMPLE_EFFECTS and a constant,
    which makes LABEL.rate the expected fraction of positive rows.

    Args:
        rows: Number of rows.
        seed: Seed of the values; equal arguments give equal bytes.

    Returns:
        The file, with the header of the raw file.
    """
    import csv
    import io

    import numpy as np

    random = np.random.default_rng(seed)
    columns = {column.name: draw_values(column, rows, random) for column in ROW_COLUMNS}
    log_odds = np.zeros(rows)
    for effect in SAMPLE_EFFECTS:
        values = columns[effect.feature]
        log_odds += np.where((values >= effect.low) & (values < effect.high), effect.weight, 0.0)
    positive = random.random(rows) < _logistic(log_odds + _find_intercept(log_odds, LABEL.rate))
    label: list[Any] = [
        LABEL.example_raw[0] if is_positive else LABEL.example_raw[1] for is_positive in positive
    ]

    cells = {LABEL.raw: label}
    for column in ROW_COLUMNS:
        cells |= _format_column(column, columns[column.name])
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(SOURCE_HEADER)
    cells |= {role.raw: _draw_role(role, rows, random) for role in ROLES.columns}
    writer.writerows(zip(*(cells[header] for header in SOURCE_HEADER), strict=True))
    return file.getvalue().encode()


def draw_values(feature: Feature, rows: int, random: np.random.Generator) -> FloatArray:
    """Draw values of a feature: uniform over the typical range, or by category frequency.

    Args:
        feature: The feature.
        rows: Number of values.
        random: Source of randomness.

    Returns:
        Values as in the raw file, shape (rows,).
    """
    import numpy as np

    if isinstance(feature, Number):
        low, high = feature.typical
        steps = round((high - low) / feature.step)
        return np.round(low + random.integers(0, steps + 1, rows) * feature.step, 6)
    return random.choice(
        np.array(list(feature.codes.values()), dtype=float), rows, p=feature.frequencies
    )


def _draw_role(role: Role, rows: int, random: np.random.Generator) -> list[str]:
    """Draw persons with two rows on average, one of three years, or one of four groups."""
    if isinstance(role, Key):
        return [f"K{number}" for number in random.integers(0, max(rows // 2, 1), rows)]
    options = role.order or SAMPLE_YEARS if isinstance(role, Time) else SAMPLE_GROUPS
    return [str(option) for option in random.choice(list(options), rows)]


def _format_column(feature: Feature, values: FloatArray) -> dict[str, list[str]]:
    """The cells of a feature, and those of the dates until which it is measured, by header."""
    if not isinstance(feature, Number) or not feature.until:
        return {feature.raw: _format_values(feature, values)}
    end = feature.until_date or SAMPLE_DATE
    days = [round(value * DAYS_PER_UNIT[feature.unit]) for value in values.tolist()]
    cells = {feature.raw: [(end - timedelta(days=count)).isoformat() for count in days]}
    if feature.until_column:
        cells[feature.until_column] = [end.isoformat()] * len(days)
    return cells


def _format_values(feature: Feature, values: FloatArray) -> list[str]:
    if isinstance(feature, Category) and feature.is_text:
        return [feature.names[value] for value in values.tolist()]
    return (
        [f"{value:g}" for value in values.tolist()]
        if feature.is_integer
        else [repr(value) for value in values.tolist()]
    )


def _logistic(log_odds: FloatArray) -> FloatArray:
    import numpy as np

    return 1 / (1 + np.exp(-log_odds))


def _find_intercept(log_odds: FloatArray, rate: float) -> float:
    """Find by bisection the constant for which the mean probability is `rate`."""
    low, high = -50.0, 50.0
    while high - low > 1e-9:
        middle = math.fsum((low, high)) / 2
        low, high = (middle, high) if _logistic(log_odds + middle).mean() < rate else (low, middle)
    return low
