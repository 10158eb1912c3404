"""The gold data that the tests of training start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.context import open_context
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_manifest, gold_split

RUN = "run-1"
"""The run that wrote it."""


def make_gold(folder: Path, run_id: str, **sections: Any) -> Path:
    """Make gold data in a new lake, and return the lake's folder.

    Args:
        folder: Folder for the lake.
        run_id: The run that writes it.
        sections: Sections of the settings.
    """
    lake = folder / "lake"
    settings = Settings.model_validate({"lake": {"url": f"file://{lake}"}, **sections})
    context = open_context(settings, run_id)
    for stage in (ingest, preprocess, features):
        stage.run(context)
    return lake


def copy_gold(lake: Lake, run_id: str) -> None:
    """Give another run the same gold data."""
    for name in SPLITS:
        lake.write(gold_split(run_id, name), lake.read(gold_split(RUN, name)))
    manifest = lake.read_model(gold_manifest(RUN), GoldManifest)
    lake.write_model(gold_manifest(run_id), manifest.model_copy(update={"run_id": run_id}))
