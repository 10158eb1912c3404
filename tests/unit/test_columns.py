"""The data contract: names of categories."""

from __future__ import annotations

import pytest

from pipeline.columns import FEATURES, Category

COURSE = Category(
    name="course",
    raw="Course",
    codes={"STEM": 1, "Non-STEM": 0},
    frequencies=(0.5, 0.5),
    description="Field of study",
    example="STEM",
)


@pytest.mark.parametrize(
    ("name", "code"),
    [("STEM", 1), ("stem", 1), ("Stem", 1), ("Non-STEM", 0), ("non-stem", 0), ("art", None)],
)
def test_names_match_in_any_case(name: str, code: float | None) -> None:
    """A category's name has the same code in any case, however columns.py writes it."""
    assert COURSE.get_code(name) == code


def test_names_that_differ_only_in_case_are_refused() -> None:
    """Two such names could not be told apart."""
    with pytest.raises(ValueError, match="two categories of course differ only in case: a, A"):
        Category("course", "Course", {"a": 0, "A": 1}, (0.5, 0.5), "Field", "a")


def test_every_name_has_its_code() -> None:
    """The survey's names lead to their codes."""
    for feature in FEATURES:
        if isinstance(feature, Category):
            for name, code in feature.codes.items():
                assert feature.get_code(name.upper()) == code
