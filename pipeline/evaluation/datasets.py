"""Gold by lineage: the split that a model was measured on, the rows that it has not learned from, and the newest there are."""

from __future__ import annotations

import pandas as pd

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.model.bundle import Lineage
from pipeline.storage.lake import Lake
from pipeline.storage.parquet import from_parquet

LEARNED_FROM = ("train", "validation")
"""Splits that training sees: the second through the choice of the threshold."""


def read_split(lake: Lake, lineage: Lineage, split: str) -> pd.DataFrame:
    """A split of the gold that the lineage names.

    Raises:
        LakeError: it is gone, or its hash is not the lineage's.
    """
    return from_parquet(
        lake.read(f"gold/{lineage.pipeline_run_id}/{split}.parquet", lineage.gold[split])
    )


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
    if not lake.exists("bronze/latest.json"):
        return None
    bronze = lake.read_json("bronze/latest.json")["sha256"]
    manifests = [key for key in lake.keys("gold/") if key.endswith("/manifest.json")]
    for key in reversed(manifests):
        manifest = lake.read_json(key)
        if manifest["bronze"] == bronze:
            run_id, splits = manifest["run_id"], manifest["splits"]
            frames = [
                from_parquet(lake.read(f"gold/{run_id}/{name}.parquet", splits[name]["sha256"]))
                for name in splits
            ]
            return run_id, pd.concat(frames, ignore_index=True)
    return None
