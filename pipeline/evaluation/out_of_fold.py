"""Read the out-of-fold predictions of `train`, on which groups are measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.evaluation.datasets import find_train_report
from pipeline.evaluation.groups import GroupRows
from pipeline.model.bundle import Manifest
from pipeline.model.intervals import get_variance_factor
from pipeline.storage.lake import Lake
from pipeline.storage.layout import out_of_fold
from pipeline.storage.parquet import from_parquet
from pipeline.storage.samples import read_rows_at
from pipeline.storage.tables import find_gold_parts

ROW = "row"
"""Column of the out-of-fold predictions: the place of the row in gold's train split."""


def read_out_of_fold(lake: Lake, manifest: Manifest) -> GroupRows | None:
    """Read the out-of-fold predictions of a model's training, with their rows.

    Args:
        lake: The lake with the reports of the run that trained the model.
        manifest: The model's manifest.

    Returns:
        The rows of the train split; None if the lake has no such predictions of this model.

    Raises:
        LakeError: If the train split or the predictions were modified.
        DataError: If the train split has other columns than the columns file.
    """
    predictions = _find_predictions(lake, manifest)
    if predictions is None:
        return None
    per_row = predictions.groupby(ROW)[["predicted_positive", "probability"]].mean()
    repeats = len(predictions) // len(per_row)
    lineage = manifest.lineage
    parts = find_gold_parts(lake, lineage.pipeline_run_id, "train", lineage.gold["train"])
    return GroupRows.from_frame(
        read_rows_at(lake, parts, per_row.index.to_numpy()),
        predicted_positive=per_row["predicted_positive"].to_numpy(np.float64),
        probability=per_row["probability"].to_numpy(np.float64),
        source="training rows, out of fold",
        variance_factor=get_variance_factor(predictions["fold"].nunique() // repeats),
    )


def _find_predictions(lake: Lake, manifest: Manifest) -> pd.DataFrame | None:
    """The out-of-fold predictions of a model; None if there are none with ROW."""
    run_id = manifest.lineage.pipeline_run_id
    report = find_train_report(lake, manifest)
    if report is None or not lake.exists(out_of_fold(run_id)):
        return None
    predictions = from_parquet(lake.read(out_of_fold(run_id), report.out_of_fold))
    return predictions if ROW in predictions else None
