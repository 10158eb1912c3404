"""Runs of the stages as processes, and the raw files that they read."""

from __future__ import annotations

from pathlib import Path

from pipeline.data.synthetic import generate_csv
from tests.bench.usage import Usage, run_python
from tests.support.repeated_rows import repeat_rows

GENERATED_ROWS = 100_000
TRAIN = """
import sys
from pipeline.stages import train
from pipeline.context import open_context
from pipeline.settings import Settings
from pipeline.storage.artifacts.data import GoldManifest
context = open_context(Settings.load(), sys.argv[1])
gold = context.lake.read_model(train.gold_manifest(context.run_id), GoldManifest)
train.read_training_rows(context.lake, gold, context.settings)
"""
"""Reads the rows that `train` fits models on."""
DRIFT = """
import sys
from pipeline.context import open_context
from pipeline.drift.outcome import compare_datasets
from pipeline.drift.tables import load_silver
from pipeline.settings import Settings
from tests.support.forest import make_bundle
context, bundle = open_context(Settings.load(), sys.argv[1]), make_bundle()
sides = [load_silver(context, context.run_id, bundle) for _ in range(2)]
compare_datasets(context, *sides, model=bundle.manifest)
"""
"""Compares silver with itself, like `drift` with a model that learned from it."""
PROGRAMS = {"train": TRAIN, "drift": DRIFT}
"""What is run instead of a stage that needs a registry."""


def run_stage(stage: str, run_id: str, environment: dict[str, str], *options: str) -> Usage:
    """Run a stage in a new process.

    Args:
        stage: The stage.
        run_id: Id of the run.
        environment: Variables to add to the environment.
        options: Further arguments of the stage's command line.

    Raises:
        AssertionError: If it fails.
    """
    if stage in PROGRAMS:
        return run_python(["-c", PROGRAMS[stage], run_id], environment)
    return run_python(["-m", "pipeline", stage, "--run-id", run_id, *options], environment)


def write_source(path: Path, rows: int) -> None:
    """Write a raw file that repeats GENERATED_ROWS rows."""
    repeat_rows(path, generate_csv(GENERATED_ROWS, 1), rows // GENERATED_ROWS)
