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
    titles={"STEM": "Engineering"},
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(("STEM", 1), ("stem", 1), ("Stem", 1), ("Engineering", 1), ("art", None)),
        *(("Non-STEM", 0), ("non-stem", 0), ("non  stem", 0), (" NON_stem ", 0), ("nonstem", None)),
    ],
)
def test_spellings_of_names(name: str, code: float | None) -> None:
    """A category's name or title has the same code in any spelling."""
    assert COURSE.get_code(name) == code


@pytest.mark.parametrize("name", ["A-B", "a b", "A_b"])
def test_names_with_the_same_spelling_are_refused(name: str) -> None:
    """Two such names could not be told apart."""
    with pytest.raises(ValueError, match=f"two categories of course have the same.*: a_b, {name}"):
        Category("course", "Course", {"a_b": 0, name: 1}, (0.5, 0.5), "Field", "a_b")


def test_every_name_has_its_code() -> None:
    """The survey's names lead to their codes."""
    for feature in FEATURES:
        if isinstance(feature, Category):
            for name, code in feature.codes.items():
                assert feature.get_code(name.upper()) == code
