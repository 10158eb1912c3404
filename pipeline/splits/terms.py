"""Which terms are split off as the newest."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.column_file.roles import Time, are_days
from pipeline.errors import DataError


def find_newest_terms(rows: Mapping[str, int], time: Time, fraction: float) -> set[str]:
    """Return the newest term, or the newest days that have a fraction of the rows.

    Args:
        rows: Each term -> its number of rows.
        time: The column with the terms.
        fraction: Fraction of the rows, if the terms are days.

    Returns:
        The terms, among them different spellings of the same one. At least one other is left.

    Raises:
        DataError: If all rows are of the same term.
    """
    at_place: dict[tuple[float, ...], list[str]] = {}
    for term in rows:
        at_place.setdefault(time.parse(term) or (), []).append(term)
    newest_first = [at_place[place] for place in sorted(at_place, reverse=True)]
    total = sum(rows.values())
    if len(newest_first) == 1:
        raise DataError(
            f"all {total:,} rows are of the term '{newest_first[0][0]}' ('{time.raw}'), so no "
            "newer rows are left to test on; add the rows of other terms, or remove `time` from "
            "the columns file"
        )
    newest = set(newest_first[0])
    if are_days(list(rows)):
        for terms in newest_first[1:-1]:
            if sum(rows[term] for term in newest) >= fraction * total:
                break
            newest.update(terms)
    return newest


def has_several_terms(terms: Mapping[str, int], time: Time) -> bool:
    """Return whether there are rows of different terms.

    Args:
        terms: Each term -> its number of rows.
        time: The column with the terms.
    """
    return len({time.parse(term) or () for term in terms}) > 1


def find_range(terms: set[str], time: Time) -> list[str]:
    """Return the oldest and the newest of some terms."""
    ordered = sorted(sorted(terms), key=lambda term: time.parse(term) or ())
    return [ordered[0], ordered[-1]]
