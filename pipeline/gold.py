"""Gold by lineage: the split that a model was measured on, and the rows that it has not learned from."""

from __future__ import annotations

import pandas as pd

from pipeline.bundle import Lineage
from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.frames import from_parquet
from pipeline.lake import Lake

LEARNED_FROM = ("train", "validation")
"""Splits that training sees: the second through the choice of the threshold."""


def read_split(lake: Lake, lineage: Lineage, split: str) -> pd.DataFrame:
    """A split of the gold that the lineage names.

    Raises:
        LakeError: it is gone, or its hash is not the lineage's.
    """
    return from_parquet(lake.read(f"gold/{lineage.pipeline_run_id}/{split}.parquet", lineage.gold[split]))


def unseen(lake: Lake, frame: pd.DataFrame, lineage: Lineage) -> pd.DataFrame:
    """The rows of `frame` that do not occur, value for value, in what a model of this lineage learned from."""
    columns = [*FEATURE_NAMES, LABEL.name]
    seen = pd.concat([read_split(lake, lineage, split)[columns] for split in LEARNED_FROM]).drop_duplicates()
    marked = frame[columns].merge(seen, how="left", on=columns, indicator="seen")
    return frame[(marked["seen"] == "left_only").to_numpy()].reset_index(drop=True)
