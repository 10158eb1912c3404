"""The two data sets that a drift check compares, and where their rows came from."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
    live_traffic_day,
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

    The objects of the traffic log are read in a seeded random order until `max_rows` rows are
    found, so that the sample of a large window covers all its hours and pods. Unreadable objects
    are skipped and named in the facts.

    Args:
        lake: Where the traffic log is stored.
        since: Start of the window, rounded down to a whole second like the log.
        until: End of the window, exclusive.
        max_rows: Rows after which no further object is read.
        seed: Seed of the reading order.

    Returns:
        The features of the rows; the facts count the objects and each version's rows.
    """
    import pandas as pd

    since = since.replace(microsecond=0)
    # An object is stored under the day it was written, which can be the day after its rows.
    keys = [
        key
        for day in _days(since, until + timedelta(days=1))
        for key in lake.keys(live_traffic_day(day))
    ]
    random.Random(seed).shuffle(keys)  # noqa: S311 - a sample, no secret
    frames: list[pd.DataFrame] = []
    unreadable: dict[str, str] = {}
    for key in keys:
        if sum(map(len, frames)) >= max_rows:
            break
        try:
            frame = _parse_log(lake.read(key))
        except (OSError, EOFError, zlib.error, ValueError) as error:
            unreadable[key] = str(error).splitlines()[0]
        else:
            frames.append(frame[(frame["at"] >= since) & (frame["at"] < until)])
    found = pd.concat(frames, ignore_index=True) if frames else _parse_log(b"")
    facts = DatasetFacts(
        source="live traffic",
        rows=len(found),
        since=since.isoformat(timespec="seconds"),
        until=until.isoformat(timespec="seconds"),
        versions={
            str(version): int(n)
            for version, n in found["version"].value_counts().sort_index().items()
        },
        objects=TrafficObjects(found=len(keys), read=len(frames), unreadable=unreadable),
    )
    return Dataset(found[list(FEATURE_NAMES)], facts)


def _days(since: datetime, until: datetime) -> Iterator[str]:
    day = since.astimezone(UTC).date()
    while day <= until.astimezone(UTC).date():
        yield day.isoformat()
        day += timedelta(days=1)


def _parse_log(data: bytes) -> pd.DataFrame:
    """Parse one object of the traffic log.

    Returns:
        The features, `at` and the model version as text.

    Raises:
        ValueError: If the data are not such a log.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import json as arrow_json

    schema = pa.schema([("at", pa.string()), *((name, pa.float64()) for name in FEATURE_NAMES)])
    lines = gzip.decompress(data) if data else b""
    if lines.strip():
        table = arrow_json.read_json(
            io.BytesIO(lines),
            # A block must contain the longest line.
            read_options=arrow_json.ReadOptions(block_size=1 << 22),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema),
        )
        frame = table.to_pandas()
    else:
        frame = schema.empty_table().to_pandas()
    version = frame["version"] if "version" in frame else pd.Series("unknown", index=frame.index)
    return pd.DataFrame(
        {
            "at": pd.to_datetime(frame["at"], utc=True, format="ISO8601"),
            "version": version.astype(str),
            **{name: frame[name].astype(float) for name in FEATURE_NAMES},
        }
    )


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
