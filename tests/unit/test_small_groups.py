"""Groups of a few rows are not shown on their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.column_file.roles import Key
from pipeline.columns import ROLES
from pipeline.evaluation import small_groups
from pipeline.evaluation.group_differences import compare_groups
from pipeline.evaluation.groups import GroupRows, measure_groups
from pipeline.evaluation.small_groups import describe_pool, pool_small_groups
from pipeline.types import IntArray


def make_rows(units: IntArray | None = None, **sizes: dict[str, int]) -> GroupRows:
    """Rows in the groups of columns; those that a column has no group for are the last ones."""
    count = max(sum(groups.values()) for groups in sizes.values())
    masks, place = {}, np.arange(count)
    for column, groups in sizes.items():
        start = 0
        for name, size in groups.items():
            masks[f"{column} {name}"] = (place >= start) & (place < start + size)
            start += size
    labels = (place % 2).astype(np.int64)
    zeros = np.zeros(count)
    return GroupRows(masks, labels, zeros, zeros, "test rows", reported=masks, units=units)


def get_sizes(rows: GroupRows) -> dict[str, int]:
    """The number of rows of each group, which must be the same in both kinds of groups."""
    sizes = {name: int(mask.sum()) for name, mask in rows.groups.items()}
    assert sizes == {name: int(mask.sum()) for name, mask in rows.reported.items()}
    return sizes


@pytest.mark.parametrize(
    ("groups", "shown"),
    [
        ({"a": 30, "b": 10}, {"a": 30, "b": 10}),
        ({"a": 30, "b": 6, "c": 1, "d": 4, "e": 0}, {"a": 30, "(small groups)": 11}),
        # Otherwise the figures of c would be those of all rows without a and b.
        ({"a": 30, "b": 12, "c": 1}, {"a": 30, "(small groups)": 13}),
        ({"a": 30, "c": 1}, {"(small groups)": 31}),
        ({"a": 5, "c": 1}, {}),
    ],
)
def test_small_groups_are_shown_together(groups: dict[str, int], shown: dict[str, int]) -> None:
    """No group of fewer than ten rows is shown, nor follows from the others."""
    pooled = pool_small_groups(make_rows(tutor=groups), 10)
    assert get_sizes(pooled) == {f"tutor {name}": size for name, size in shown.items()}


def test_rows_without_a_group_do_not_give_a_small_one_away() -> None:
    """Few rows with a blank tutor are among the small groups, many are not."""
    rows = make_rows(tutor={"a": 30, "b": 12}, course={"x": 45})
    assert get_sizes(pool_small_groups(rows, 10)) == {
        "tutor a": 30,
        "tutor (small groups)": 15,
        "course x": 45,
    }
    rows = make_rows(tutor={"a": 30, "b": 12}, course={"x": 55})
    assert get_sizes(pool_small_groups(rows, 10)) == get_sizes(rows)


def test_persons_count_instead_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty rows of two persons are a small group."""
    units = np.where(np.arange(60) < 40, np.arange(60), 40 + np.arange(60) % 2)
    rows = make_rows(units, tutor={"a": 20, "b": 20, "c": 20})
    assert get_sizes(pool_small_groups(rows, 10)) == get_sizes(rows)
    keyed = replace(ROLES, key=Key("person", "Card"))
    monkeypatch.setattr(small_groups, "ROLES", keyed)
    pooled = pool_small_groups(rows, 10)
    assert get_sizes(pooled) == {"tutor b": 20, "tutor (small groups)": 40}
    assert "fewer than 10 students" in describe_pool(rows, pooled, 10)


def test_every_table_has_the_groups_that_are_shown() -> None:
    """The figures and the differences of small groups are left out, and a sentence says so."""
    rows = make_rows(tutor={"a": 30, "b": 12, "c": 1})
    pooled = pool_small_groups(rows, 10)
    assert {group.rows for group in measure_groups(pooled)} == {30, 13}
    assert len(compare_groups(pooled)) <= 2
    sentence = describe_pool(rows, pooled, 10)
    assert sentence.startswith("Groups of fewer than 10 rows (MLOPS_CARD__MIN_GROUP_SIZE)")
    everything = pool_small_groups(rows, 1)
    assert get_sizes(everything) == get_sizes(rows)
    assert not describe_pool(rows, everything, 1)
