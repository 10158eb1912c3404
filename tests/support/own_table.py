"""Run programs on a table that has its own columns file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RUN_STAGES = """
import sys
from pipeline.__main__ import main
for stage in {stages}:
    if code := main([stage, "--run-id", "first"]):
        sys.exit(code)
"""


def run_stages(folder: Path, name: str, *stages: str) -> str:
    """Run stages in one process with the run id `first`, up to a failure; see `run_program`."""
    return run_program(folder, name, _RUN_STAGES.format(stages=stages))


def run_program(folder: Path, name: str, program: str, *arguments: str) -> str:
    """Run a Python program on the table NAME.csv with NAME.columns.yaml.

    Args:
        folder: Folder with both files; its folder `lake` is the lake.
        name: Name of the table.
        program: Text of the program.
        arguments: Its arguments.

    Returns:
        The program's output and what it logged.

    Raises:
        AssertionError: If the program fails.
    """
    settings = {
        "MLOPS_COLUMNS": f"{name}.columns.yaml",
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_INGEST__SOURCE": f"{name}.csv",
        "MLOPS_TRAIN__FOLDS": "2",  # trains quickly
        "MLOPS_TRAIN__SELECTION_REPEATS": "1",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout[-3000:]
    return process.stdout
