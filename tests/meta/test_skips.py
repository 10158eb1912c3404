"""Skipped tests are reported, and fail a run that allows none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest


def test_passes():
    pass


@pytest.mark.skipif(True, reason="cheese is not installed")
def test_cheese():
    pass


def test_more_cheese():
    pytest.skip("cheese is not installed")
"""


def run_pytest(folder: Path, *options: str) -> tuple[int, str]:
    """Run tests with the hooks of tests/conftest.py; returns the exit code and the last line."""
    (folder / "test_shop.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull]
    completed = subprocess.run(
        [*command, f"--rootdir={folder}", *options, folder / "test_shop.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
    )
    return completed.returncode, completed.stdout.splitlines()[-1]


def test_skipped_tests_are_reported(tmp_path: Path) -> None:
    """The last line has the reasons, and the command that installs what is missing."""
    exit_code, last_line = run_pytest(tmp_path)
    assert exit_code == 0
    assert last_line == (
        "2 tests were skipped (cheese is not installed: 2). `make tools` installs what they need."
    )


def test_skipped_tests_fail_the_run_on_demand(tmp_path: Path) -> None:
    """--fail-on-skip, which .ci/run sets, turns the exit code to 1."""
    assert run_pytest(tmp_path, "--fail-on-skip")[0] == 1
