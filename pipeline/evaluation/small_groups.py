"""Which groups a report shows: figures of a few rows would show single persons.

The small groups of a column are shown together. If they are still few, the next larger group joins
them: otherwise their figures would follow from those of all rows and of the other groups (secondary
suppression; Hundepool et al., Statistical Disclosure Control, 2012, chapter 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline.columns import ROLES, SUBJECTS
from pipeline.evaluation.groups import GroupRows
from pipeline.types import BoolArray

SMALL_GROUPS = "(small groups)"
"""Name of the small groups of a column, after the name of the column."""


def pool_small_groups(rows: GroupRows, min_size: int) -> GroupRows:
    """Return the same rows in the groups that may be shown.

    Args:
        rows: The rows in their groups.
        min_size: Groups of fewer rows are small. If each unit of the rows is a person, these are
            counted instead.

    Returns:
        The rows with the small groups of each column as one. A column has no groups if all its rows
        are too few.
    """
    return replace(
        rows,
        groups=_pool(rows, rows.groups, min_size),
        reported=_pool(rows, rows.reported, min_size),
    )


def describe_pool(rows: GroupRows, pooled: GroupRows, min_size: int) -> str:
    """Return a sentence for people about the groups that are not shown; empty if there are none.

    Args:
        rows: The rows in their groups.
        pooled: The same rows in the groups that are shown.
        min_size: Groups of fewer rows or persons are small.
    """
    if [*rows.groups, *rows.reported] == [*pooled.groups, *pooled.reported]:
        return ""
    return (
        f"Groups of fewer than {describe_size(rows, min_size)} (MLOPS_CARD__MIN_GROUP_SIZE) are "
        f"shown together as `{SMALL_GROUPS}` of their column, with the next larger group if they "
        "are still too few, or not at all. Otherwise their figures would show single persons."
    )


def describe_size(rows: GroupRows, size: int) -> str:
    """Return the size of a group with what counts: "10 rows", or persons if units are persons.

    Args:
        rows: The rows in their groups.
        size: The number.
    """
    return f"{size:,} {SUBJECTS if _has_persons(rows) else 'rows'}"


def _has_persons(rows: GroupRows) -> bool:
    """Whether a unit of the rows is a person, and not a group such as a class."""
    has_key = ROLES.key is not None and not any(group.split for group in ROLES.groups)
    return has_key and rows.units is not None


def _count(rows: GroupRows, mask: BoolArray) -> int:
    """The number of persons, or of rows."""
    if rows.units is not None and _has_persons(rows):
        return int(np.unique(rows.units[mask]).size)
    return int(mask.sum())


def _pool(
    rows: GroupRows, groups: Mapping[str, BoolArray], min_size: int
) -> Mapping[str, BoolArray]:
    columns: dict[str, dict[str, BoolArray]] = {}
    for name, mask in groups.items():
        columns.setdefault(name.partition(" ")[0], {})[name] = mask
    shown: dict[str, BoolArray] = {}
    for column, own in columns.items():
        shown |= _pool_column(rows, column, own, min_size)
    return shown


def _pool_column(
    rows: GroupRows, column: str, groups: Mapping[str, BoolArray], min_size: int
) -> Mapping[str, BoolArray]:
    """Pool the small groups of a column, and the rows in none of its groups if they are few."""
    unlisted = ~np.logical_or.reduce(list(groups.values()))
    sizes = {name: _count(rows, mask) for name, mask in groups.items()}
    small = [groups[name] for name, size in sizes.items() if 0 < size < min_size]
    small += [unlisted] if 0 < _count(rows, unlisted) < min_size else []
    if not small:
        return groups
    pooled = np.logical_or.reduce(small)
    others = sorted((name for name in sizes if sizes[name] >= min_size), key=sizes.__getitem__)
    while _count(rows, pooled) < min_size and others:
        pooled = pooled | groups[others.pop(0)]
    shown = {name: mask for name, mask in groups.items() if name in others}
    is_large = _count(rows, pooled) >= min_size
    return {**shown, f"{column} {SMALL_GROUPS}": pooled} if is_large else {}
