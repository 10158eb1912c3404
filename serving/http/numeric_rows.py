"""Validation of rows given as numbers, with codes for categories and NaN for blanks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.column_file.blanks import BLANK
from pipeline.columns import FEATURE_NAMES, FEATURES, HAS_BLANKS, Category, Feature, Number
from serving.http.problems import MAX_FINDINGS, Finding, Invalid
from serving.http.rows import Row

LOW = np.array(
    [min(f.codes.values()) if isinstance(f, Category) else f.low for f in FEATURES], np.float64
)
OPTIONAL = np.array([not feature.required for feature in FEATURES])
"""Whether each feature may be blank."""
HIGH = np.array(
    [max(f.codes.values()) if isinstance(f, Category) else f.high for f in FEATURES], np.float64
)


def expectation(feature: Feature) -> str:
    """Describe the accepted numbers of a feature, for error messages."""
    if isinstance(feature, Number):
        kind = "a whole number" if feature.is_integer else "a number"
        accepted = f"must be {kind} from {feature.low:g} to {feature.high:g}"
    else:
        names = (f"{code:g} ({name})" for name, code in feature.codes.items())
        accepted = f"must be one of {', '.join(names)}"
    return accepted if feature.required else f"{accepted}, or blank"


def check(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Check rows given as numbers, with codes for categories and NaN for blanks.

    Args:
        values: Rows, shape (n_rows, n_features).

    Returns:
        For each cell, whether its column accepts the value; same shape.
    """
    good: NDArray[np.bool_] = (values >= LOW) & (values <= HIGH)  # false for NaN too
    for index, feature in enumerate(FEATURES):
        column = values[:, index]
        if isinstance(feature, Category):
            good[:, index] = np.isin(column, list(feature.codes.values()))
        elif feature.is_integer:
            good[:, index] &= np.mod(np.where(good[:, index], column, 0), feature.step) == 0
    if HAS_BLANKS:
        good |= np.isnan(values) & OPTIONAL
    return good


def rows_from_numbers(values: Sequence[Sequence[float]] | NDArray[np.float64]) -> list[Row]:
    """Read rows given as numbers, with codes for categories and NaN for blanks.

    Args:
        values: Rows, shape (n_rows, n_features).

    Raises:
        Invalid: If a column does not accept its value.
    """
    matrix = np.asarray(values, np.float64).reshape(-1, len(FEATURES))
    bad = np.argwhere(~check(matrix))[:MAX_FINDINGS]
    if len(bad):
        raise Invalid(
            [
                Finding(
                    row=int(row), field=FEATURE_NAMES[column], message=expectation(FEATURES[column])
                )
                for row, column in bad
            ]
        )
    return to_rows(matrix)


def to_rows(matrix: NDArray[np.float64]) -> list[Row]:
    """Convert valid rows, shape (n_rows, n_features)."""
    rows = [tuple(row) for row in matrix.tolist()]
    if HAS_BLANKS:  # the same object for every blank, so that equal rows are equal
        rows = [tuple(BLANK if math.isnan(value) else value for value in row) for row in rows]
    return rows
