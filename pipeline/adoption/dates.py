"""Decide what the dates of a table become: the time until another date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.adoption.table import Table
from pipeline.column_file.blanks import is_blank
from pipeline.column_file.dates import FORMATS, ISO, DateFormat, measure_time, parse_date
from pipeline.types import FloatArray

MIN_YEARS = 10
"""A column whose dates are further apart is measured in years."""


@dataclass(frozen=True)
class DateColumn:
    """A column of dates.

    Attributes:
        dates: The date in each row; None for a blank.
        date_format: Their format.
    """

    dates: list[date | None]
    date_format: DateFormat


@dataclass(frozen=True)
class Elapsed:
    """The time from the dates of a column until another date.

    Attributes:
        until: The other date, or the header of its column.
        unit: `days` or `years`.
        date_format: Format of the dates.
        values: The times, shape (n_rows,); NaN where a date is blank.
    """

    until: str
    unit: str
    date_format: DateFormat
    values: FloatArray


def find_dates(cells: Sequence[str]) -> DateColumn | None:
    """Read a column as dates; None if a cell is not a date, or its day and month are ambiguous."""
    known = {cell for cell in set(cells) if not is_blank(cell)}
    fitting = [one for one in FORMATS if all(parse_date(cell, one) for cell in known)]
    if not known or not fitting:
        return None
    if ISO not in fitting and len(fitting) > 1:
        return None
    parsed = {cell: parse_date(cell, fitting[0]) for cell in known}
    return DateColumn([parsed.get(cell) for cell in cells], fitting[0])


def measure_dates(table: Table, label: str) -> dict[str, Elapsed]:
    """Choose the date until which each column of dates is measured.

    It is that of the column whose dates are never earlier and the closest, if there is one, else
    the latest date of the column itself.

    Args:
        table: The table.
        label: Header of the label.

    Returns:
        Header of each column of dates -> the times.
    """
    found = {
        raw: dates
        for raw, cells in table.columns.items()
        if raw != label and (dates := find_dates(cells))
    }
    return {raw: _measure(raw, found) for raw in found}


def _measure(raw: str, columns: dict[str, DateColumn]) -> Elapsed:
    starts, date_format = columns[raw].dates, columns[raw].date_format
    known = [one for one in starts if one]
    latest = max(known)
    unit = "years" if (latest - min(known)).days > MIN_YEARS * 365 else "days"
    until, ends = latest.isoformat(), [latest] * len(starts)
    closest = np.inf
    for other, column in columns.items():
        pairs = list(zip(starts, column.dates, strict=True))
        gaps = [(end - start).days for start, end in pairs if start and end]
        is_later = other != raw and column.date_format == date_format and gaps
        if is_later and min(gaps) >= 0 and max(gaps) > 0 and np.mean(gaps) < closest:
            closest, until = float(np.mean(gaps)), other
            ends = column.dates  # type: ignore[assignment]
    values = [
        measure_time(start, end, unit) if start and end else np.nan
        for start, end in zip(starts, ends, strict=True)
    ]
    return Elapsed(until, unit, date_format, np.array(values))
