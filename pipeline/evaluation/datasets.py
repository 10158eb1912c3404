"""Gold by lineage: the split that a model was measured on, the rows that it has not learned from, and the newest there are."""

from __future__ import annotations

import pandas as pd

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.model.bundle import Lineage
from pipeline.storage.artifacts import BronzePointer, GoldManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import BRONZE_LATEST, GOLD_PREFIX, gold_split, is_gold_manifest
from pipeline.storage.parquet import from_parquet

LEARNED_FROM = ("train", "validation")
"""Splits that training sees: the second through the choice of the threshold."""


def read_split(lake: Lake, lineage: Lineage, split: str) -> pd.DataFrame:
    """A split of the gold that the lineage names.

    Raises:
        LakeError: it is gone, or its hash is not the lineage's.
    """
    return from_parquet(lake.read(gold_split(lineage.pipeline_run_id, split), lineage.gold[split]))


def drop_training_rows(lake: Lake, frame: pd.DataFrame, lineage: Lineage) -> pd.DataFrame:
    """The rows of `frame` that do not occur, value for value, in what a model of this lineage learned from."""
    columns = [*FEATURE_NAMES, LABEL.name]
    seen = pd.concat(
        [read_split(lake, lineage, split)[columns] for split in LEARNED_FROM]
    ).drop_duplicates()
    marked = frame[columns].merge(seen, how="left", on=columns, indicator="seen")
    return frame[(marked["seen"] == "left_only").to_numpy()].reset_index(drop=True)


def load_newest_gold(lake: Lake) -> tuple[str, pd.DataFrame] | None:
    """The run that made gold of the newest bronze, and all rows of its splits; None if no run has yet."""
    if not lake.exists(BRONZE_LATEST):
        return None
    newest = lake.read_model(BRONZE_LATEST, BronzePointer).sha256
    for key in reversed([key for key in lake.keys(GOLD_PREFIX) if is_gold_manifest(key)]):
        manifest = lake.read_model(key, GoldManifest)
        if manifest.bronze == newest:
            frames = [
                from_parquet(lake.read(gold_split(manifest.run_id, name), split.sha256))
                for name, split in manifest.splits.items()
            ]
            return manifest.run_id, pd.concat(frames, ignore_index=True)
    return None
