"""Read gold: a split of a given lineage, and the newest labelled rows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import FEATURE_NAMES, LABEL, ROLES
from pipeline.model.bundle import Lineage, Manifest
from pipeline.storage.artifacts.data import BronzePointer, GoldManifest, PartFacts
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    BRONZE_LATEST,
    GOLD_PREFIX,
    TRAINING_SPLITS,
    is_gold_manifest,
    train_report,
)
from pipeline.storage.samples import read_sample, read_table
from pipeline.storage.tables import find_gold_parts

MAX_MEASURED_ROWS = 1_000_000
"""Rows of a split that models are measured on; of a larger split, a random sample. The 95 %
interval of a rate of so many rows is 0.002 wide at most."""


def read_split(
    lake: Lake, lineage: Lineage, split: str, max_rows: int | None = None
) -> pd.DataFrame:
    """Read a split of the gold that a model was made from, or a sample of a large one.

    Args:
        lake: The lake.
        lineage: Lineage of the model.
        split: Name of the split.
        max_rows: Largest number of rows, by default MAX_MEASURED_ROWS; of a larger split, a sample
            stratified by the label is read, which is the same for every model.

    Raises:
        LakeError: If the split is missing or its hash is not that of the lineage.
        DataError: If the split has other columns than the columns file.
    """
    parts = find_gold_parts(lake, lineage.pipeline_run_id, split, lineage.gold[split])
    return read_table(lake, parts, max_rows or MAX_MEASURED_ROWS)


def count_rows(lake: Lake, lineage: Lineage, split: str) -> int:
    """Count the rows of a split of the gold that a model was made from.

    Args:
        lake: The lake.
        lineage: Lineage of the model.
        split: Name of the split.

    Returns:
        Their number; 0 if the gold's manifest no longer has this split.
    """
    parts = find_gold_parts(lake, lineage.pipeline_run_id, split, lineage.gold[split])
    return sum(part.rows for part in parts)


def describe_sample(measured: int, rows: int, kind: str) -> list[str]:
    """Return the note that figures are of a sample.

    Args:
        measured: Number of measured rows.
        rows: Number of rows that there are.
        kind: What the rows are, such as `test rows`.

    Returns:
        The note, without a full stop; none if all rows were measured.
    """
    if measured >= rows:
        return []
    return [f"the figures are of {measured:,} of the {rows:,} {kind}, a random sample"]


def find_train_report(lake: Lake, manifest: Manifest) -> TrainReport | None:
    """Read the report of the training that made a model.

    Args:
        lake: The lake with the reports of the run that trained the model.
        manifest: The model's manifest.

    Returns:
        The report; None if the lake has none, or only that of another training in the same run.

    Raises:
        LakeError: If the report is invalid.
    """
    key = train_report(manifest.lineage.pipeline_run_id)
    if not lake.exists(key):
        return None
    report = lake.read_model(key, TrainReport)
    return report if report.mlflow_run_id == manifest.run_id else None


def drop_training_rows(lake: Lake, frame: pd.DataFrame, lineage: Lineage) -> pd.DataFrame:
    """Drop the rows that occur in the training data of a model; see `drop_rows`.

    Args:
        lake: The lake with the gold of the lineage.
        frame: Rows with every feature and the label.
        lineage: The lineage of the model.

    Returns:
        The other rows, in their order.

    Raises:
        LakeError: If a split is missing or its hash is not that of the lineage.
        DataError: If the model was trained with other columns.
    """
    for split in TRAINING_SPLITS:
        parts = find_gold_parts(lake, lineage.pipeline_run_id, split, lineage.gold[split])
        frame = drop_rows_of(lake, frame, parts)
    return frame


def drop_rows_of(lake: Lake, frame: pd.DataFrame, parts: Sequence[PartFacts]) -> pd.DataFrame:
    """Drop the rows that occur in a table, which is read part by part; see `drop_rows`.

    Args:
        lake: The lake with the table.
        frame: Rows with every feature and the label.
        parts: The parts of the table.

    Returns:
        The other rows, in their order.

    Raises:
        LakeError: If a part is missing or was modified.
        DataError: If a part has other columns than the columns file.
    """
    for known in read_sample(lake, parts):
        frame = drop_rows(frame, [known.table.to_pandas()])
    return frame


def drop_rows(frame: pd.DataFrame, known: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Drop the rows that occur in other frames.

    With a `key`, these are all rows of a person who occurs there, of any term: the model
    recognises the person. Otherwise they are the rows with the same features and label.

    Args:
        frame: Rows with every feature and the label.
        known: The other frames. If one of them has no key, because it was written before the
            columns file had one, rows are compared by their values.

    Returns:
        The other rows, in their order.
    """
    if not known:
        return frame
    columns = [*FEATURE_NAMES, LABEL.name]
    if ROLES.key and all(ROLES.key.name in one for one in (frame, *known)):
        columns = [ROLES.key.name]
    values = pd.concat([other[columns] for other in known]).drop_duplicates()
    marked = frame[columns].merge(values, how="left", on=columns, indicator="origin")
    return frame[(marked["origin"] == "left_only").to_numpy()].reset_index(drop=True)


def draw_independent_rows(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw one row of each person or group that stays together, for methods that need independence.

    Args:
        frame: Rows of gold.
        seed: Seed of the choice.

    Returns:
        The drawn rows in their order; all of them without persons and groups.
    """
    if SPLIT_UNIT not in frame:
        return frame
    shuffled = frame.sample(frac=1, random_state=seed)
    return shuffled.drop_duplicates(SPLIT_UNIT).sort_index().reset_index(drop=True)


def read_gold(lake: Lake, manifest: GoldManifest) -> pd.DataFrame:
    """Read all splits of a gold; of more than MAX_MEASURED_ROWS rows, a sample.

    Args:
        lake: The lake.
        manifest: Manifest of the gold.

    Returns:
        The rows. A sample is stratified by the label.
    """
    parts = [part for name in manifest.splits for part in manifest.list_parts(name)]
    return read_table(lake, parts, MAX_MEASURED_ROWS)


def find_newest_gold(lake: Lake) -> GoldManifest | None:
    """Find the last gold that was made from the newest bronze.

    Args:
        lake: The lake.

    Returns:
        Its manifest; None if there is no such gold yet.
    """
    if not lake.exists(BRONZE_LATEST):
        return None
    newest = lake.read_model(BRONZE_LATEST, BronzePointer).sha256
    for key in reversed([key for key in lake.keys(GOLD_PREFIX) if is_gold_manifest(key)]):
        manifest = lake.read_model(key, GoldManifest)
        if manifest.bronze == newest:
            return manifest
    return None
