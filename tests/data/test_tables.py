"""Tables of other kinds than the survey: `adopt` describes each, and tests/tables pass on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.column_file.reader import COLUMNS_VARIABLE
from tests.support.tables import COLUMNS, TABLES, VARIABLE, write_table

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_another_kind(name: str, tmp_path: Path) -> None:
    """Every part of the platform accepts the table, its blanks included."""
    assert main(["adopt", *write_table(name, tmp_path)]) == 0
    tests = [sys.executable, "-m", "pytest", "-q", "-n0", str(ROOT / "tests" / "tables")]
    variables = {COLUMNS_VARIABLE: str(tmp_path / COLUMNS), VARIABLE: str(tmp_path)}
    done = subprocess.run(
        tests, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5_000:]
