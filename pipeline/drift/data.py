"""The two data sets that a drift check compares, and where their rows came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.drift.columns import PREDICTION
from pipeline.model.bundle import Bundle
from pipeline.storage.artifacts.data import SilverManifest
from pipeline.storage.artifacts.drift import DatasetFacts, ModelIdentity, TrafficObjects
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    TRAINING_SPLITS,
    gold_split,
    silver_manifest,
    silver_rows,
)

if TYPE_CHECKING:
    import pandas as pd

SCORING_BATCH_ROWS = 100_000
"""Rows per ONNX run, which bounds the memory of scoring a large gold data set."""


@dataclass(frozen=True)
class Dataset:
    """Rows to compare.

    Attributes:
        frame: One column of floats per feature, and possibly the prediction and the label.
        facts: Where the rows came from; part of the report.
    """

    frame: pd.DataFrame
    facts: DatasetFacts


def load_gold(lake: Lake, bundle: Bundle) -> Dataset:
    """Load the gold rows that a model learned from.

    Args:
        lake: The lake.
        bundle: The model with its lineage.

    Raises:
        LakeError: If a split is missing or its hash does not match the lineage.
        DataError: If the model was trained with other columns.
    """
    import pandas as pd

    manifest = bundle.manifest
    hashes = {
        gold_split(manifest.lineage.pipeline_run_id, split): manifest.lineage.gold[split]
        for split in TRAINING_SPLITS
    }
    frames = [_read_labelled(lake, key, sha256) for key, sha256 in hashes.items()]
    frame = pd.concat(frames, ignore_index=True)
    facts = DatasetFacts(
        source="gold training rows of the production model",
        rows=len(frame),
        splits=hashes,
        model=ModelIdentity(
            name=manifest.name,
            version=manifest.version,
            run_id=manifest.run_id,
            pipeline_run_id=manifest.lineage.pipeline_run_id,
        ),
    )
    return Dataset(frame, facts)


def load_silver(lake: Lake, run_id: str) -> Dataset:
    """Load a silver data set, including its labels.

    Args:
        lake: The lake.
        run_id: Run that wrote it.

    Raises:
        LakeError: If the run has none, or its hash does not match its manifest.
        DataError: If it was written for other columns.
    """
    sha256 = lake.read_model(silver_manifest(run_id), SilverManifest).sha256
    key = silver_rows(run_id)
    frame = _read_labelled(lake, key, sha256)
    facts = DatasetFacts(source="a silver data set", rows=len(frame), object=key, sha256=sha256)
    return Dataset(frame, facts)


def _read_labelled(lake: Lake, key: str, sha256: str) -> pd.DataFrame:
    """Read the features and the label of rows as floats."""
    from pipeline.storage.parquet import read_rows

    return read_rows(lake, key, sha256)[[*FEATURE_NAMES, LABEL.name]].astype(float)


def load_live_traffic(
    lake: Lake, since: datetime, until: datetime, max_rows: int, seed: int
) -> Dataset:
    """Load the rows that predictors scored in a time window, with any model version.

    Args:
        lake: Where the traffic log is stored.
        since: Start of the window, rounded down to a whole second like the log.
        until: End of the window, exclusive.
        max_rows: Number of rows that are enough; more are sampled, over all hours and pods.
        seed: Seed of the sample.

    Returns:
        The features of the rows. The facts count each version's rows and the objects, and name
        those that cannot be read.
    """
    from pipeline.data.traffic_window import read_window

    since = since.replace(microsecond=0)
    traffic = read_window(lake, since, until, max_rows, seed)
    counts = traffic.rows["version"].fill_null("unknown").value_counts().to_pylist()
    facts = DatasetFacts(
        source="live traffic",
        rows=len(traffic.rows),
        since=since.isoformat(timespec="seconds"),
        until=until.isoformat(timespec="seconds"),
        versions=dict(sorted((found["values"], found["counts"]) for found in counts)),
        objects=TrafficObjects(
            found=traffic.found, read=traffic.read, unreadable=traffic.unreadable
        ),
    )
    return Dataset(traffic.rows.select(list(FEATURE_NAMES)).to_pandas(), facts)


def add_predictions(dataset: Dataset, bundle: Bundle) -> Dataset:
    """Add the predictions of the bundle's model to a data set.

    Both data sets are scored by the same model, whichever version scored the live rows.

    Args:
        dataset: Rows with all features; its frame stays unchanged.
        bundle: The production model.
    """
    import numpy as np

    from pipeline.model.arrays import feature_array
    from pipeline.model.onnx import open_session, positive_probability

    session = open_session(bundle)
    rows = feature_array(dataset.frame, np.float32)
    answers = [
        positive_probability(session, rows[start : start + SCORING_BATCH_ROWS])
        for start in range(0, len(rows), SCORING_BATCH_ROWS)
    ]
    return Dataset(
        dataset.frame.assign(**{PREDICTION: np.concatenate(answers) if answers else []}),
        dataset.facts,
    )
