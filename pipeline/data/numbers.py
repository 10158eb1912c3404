"""Convert cells to the numbers that they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.column_file.blanks import is_blank
from pipeline.columns import LABEL, ROLES, ROW_COLUMNS, Category, Feature, Number
from pipeline.data.cells import Cells
from pipeline.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd


def to_numbers(raw: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Convert raw rows to numbers: names to codes, and the label to 1 for the positive outcome.

    Args:
        raw: Raw rows, from `parse_csv`.

    Returns:
        Header of a column -> its values, shape (n_rows,). A value that is not a number, a name or
        an outcome is NaN, and infinity if its column may be blank, where NaN is a blank. The
        person, the term and the groups stay text; a blank is None. Columns that the rows lack are
        left out.
    """
    numbers = {}
    for feature in filter(lambda column: column.raw in raw, ROW_COLUMNS):
        if isinstance(feature, Number) and feature.is_text:
            numbers[feature.raw] = _measure_dates(raw, feature)
        else:
            cells = Cells.of(raw[feature.raw])
            numbers[feature.raw] = cells.spread(_translate(feature, cells), math.nan)
    if LABEL.raw in raw:
        cells = Cells.of(raw[LABEL.raw])
        numbers[LABEL.raw] = cells.spread(_call(LABEL.is_positive, cells.texts), math.nan)
    for role in filter(lambda role: role.raw in raw, ROLES.columns):
        cells = Cells.of(raw[role.raw])
        texts = [None if is_blank(text) else text.strip() for text in cells.texts]
        numbers[role.raw] = cells.spread(np.array(texts, object), None)
    return numbers


def _translate(feature: Feature, cells: Cells) -> FloatArray:
    """The number that each text of a column stands for."""
    if isinstance(feature, Category) and feature.is_text:
        values = _call(feature.get_code, cells.texts)
    else:
        values = cells.to_floats()
    if isinstance(feature, Category) and feature.other_code is not None:
        is_known = np.isin(values, [float(code) for code in feature.codes.values()])
        values[~is_known & ~cells.find_blanks()] = feature.other_code
    if not feature.required:
        values[np.isnan(values) & ~cells.find_blanks()] = math.inf
    return values


def _call(function: Callable[[Any], float | None], texts: NDArray[Any]) -> FloatArray:
    """The results of a function as floats; NaN for None."""
    return np.array([function(text) for text in texts], np.float64)


def _measure_dates(raw: pd.DataFrame, feature: Number) -> FloatArray:
    """The times from the dates of a column, as `to_numbers` returns them."""
    columns = (raw[feature.raw], raw[feature.until_column or feature.raw])
    cells, ends = (column.astype("object").where(column.notna(), "") for column in columns)
    pairs = list(zip(cells, ends, strict=True))
    known = {pair: feature.measure_dates(*map(str, pair)) for pair in set(pairs)}
    times = [known[pair] for pair in pairs]
    values = np.array(times, np.float64)
    if not feature.required:
        is_blank_date = np.isnan(values) & np.array([time is not None for time in times], bool)
        is_empty = cells.map(is_blank).to_numpy(bool)
        values[np.isnan(values) & ~is_blank_date & ~is_empty] = math.inf
    return values
