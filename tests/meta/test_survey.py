"""Tests run with the bundled columns file; of `make test`, only tests/survey need the survey."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.helm import ROOT

PROGRAM = """
import tests.conftest
from pipeline.columns import FEATURE_NAMES
print(FEATURE_NAMES)
"""


def test_only_its_own_tests_read_the_survey() -> None:
    """The others pass on a machine without it, with any adopted table."""
    variable = "_".join(["TEST", "SURVEY"])
    named = [path for path in (ROOT / "tests").rglob("*.py") if variable in path.read_text()]
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in named}
    assert folders - {"bench"} == {"survey"}


def test_an_adopted_table_does_not_change_the_tests(tmp_path: Path) -> None:
    """Expected values of the tests are those of the bundled file."""
    other = tmp_path / "other.columns.yaml"
    other.write_text("not a columns file: the tests never read it")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"MLOPS_COLUMNS": str(other)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "sleep_hours" in done.stdout
