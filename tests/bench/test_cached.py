"""Stored results stay valid as long as the measured code does what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.cached import hash_code

CODE = """
from package.module import first
from package.other import second


def measure():
    return first() + second()
"""


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("from package.other import", "from package.topic.part import", True),
        ("def measure():", "def measure():\n    'Return the sum.'", True),
        ("from package.module import first\n", "", False),
        ("import second", "import third as second", False),
        ("+", "-", False),
    ],
    ids=["moved", "documented", "not-imported", "another-name", "changed"],
)
def test_only_a_change_of_the_code_changes_its_hash(
    tmp_path: Path, old: str, new: str, is_same: bool
) -> None:
    """Moving what the code imports, or describing it, is no change."""
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    before.write_text(CODE)
    after.write_text(CODE.replace(old, new))
    assert after.read_text() != CODE
    assert (hash_code([before]) == hash_code([after])) is is_same
