"""The memory that a drift check needs for the data sets it reads from the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.columns import FEATURE_NAMES
from pipeline.memory import check_memory
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest
from pipeline.storage.layout import (
    TRAINING_SPLITS,
    gold_manifest,
    gold_split,
    silver_manifest,
    silver_rows,
)

if TYPE_CHECKING:
    from pipeline.storage.lake import Lake


def check_drift_memory(lake: Lake, pipeline_run_id: str, silver: str | None) -> None:
    """Check that the reference rows, and those of a silver data set, fit into memory.

    Live traffic is not counted: MLOPS_DRIFT__MAX_ROWS bounds it.

    Args:
        lake: The lake.
        pipeline_run_id: Run that wrote the gold rows of the production model.
        silver: Run of the silver data set that is compared with them; None for live traffic.

    Raises:
        MemoryLimitError: If they do not fit.
    """
    keys, rows = [], 0
    if lake.exists(gold_manifest(pipeline_run_id)):
        gold = lake.read_model(gold_manifest(pipeline_run_id), GoldManifest)
        keys += [gold_split(pipeline_run_id, name) for name in TRAINING_SPLITS]
        rows += sum(gold.splits[name].rows for name in TRAINING_SPLITS)
    if silver is not None and lake.exists(silver_manifest(silver)):
        keys.append(silver_rows(silver))
        rows += lake.read_model(silver_manifest(silver), SilverManifest).rows
    size = sum(lake.size(key) for key in keys)
    columns = len(FEATURE_NAMES) + 2  # the label and the prediction
    check_memory("drift", rows, columns, " and ".join(map(lake.url, keys)), size)
