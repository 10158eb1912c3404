"""The gold data that the tests of training start from."""

from __future__ import annotations

from pipeline.storage.artifacts import GoldManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_manifest, gold_split

RUN = "run-1"
"""The run that wrote it."""


def copy_gold(lake: Lake, run_id: str) -> None:
    """Give another run the same gold data."""
    for name in SPLITS:
        lake.write(gold_split(run_id, name), lake.read(gold_split(RUN, name)))
    manifest = lake.read_model(gold_manifest(RUN), GoldManifest)
    lake.write_model(gold_manifest(run_id), manifest.model_copy(update={"run_id": run_id}))
