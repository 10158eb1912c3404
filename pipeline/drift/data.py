"""The two data sets that a drift check compares, and where their rows came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURE_NAMES
from pipeline.drift.columns import PREDICTION
from pipeline.drift.counts import Counts, count_values
from pipeline.model.bundle import Bundle
from pipeline.model.decision import is_positive
from pipeline.storage.artifacts.drift import DatasetFacts, TrafficObjects
from pipeline.storage.lake import Lake

if TYPE_CHECKING:
    import pandas as pd
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class Totals:
    """What is counted of all rows of a large data set.

    Attributes:
        columns: Values of each column.
        predicted_positive: Number of rows that the model predicts positive.
    """

    columns: Mapping[str, Counts]
    predicted_positive: int


@dataclass(frozen=True)
class Dataset:
    """Rows to compare.

    Attributes:
        frame: One column of floats per feature, and possibly the prediction and the label; a random
            sample of a large data set.
        facts: Where the rows came from; part of the report.
        totals: What is counted of all rows, if the frame is a sample.
    """

    frame: pd.DataFrame
    facts: DatasetFacts
    totals: Totals | None = None

    @property
    def rows(self) -> int:
        """Number of rows, of which the frame can be a sample."""
        return self.facts.rows if self.totals else len(self.frame)

    def count(self, column: str) -> Counts:
        """Return the values of a column in all rows."""
        if self.totals:
            return self.totals.columns[column]
        return count_values(self.frame[column].to_numpy(float))

    def count_predicted_positive(self, threshold: float) -> int:
        """Return the number of rows that the model predicts positive.

        Args:
            threshold: Probability from which it does.
        """
        if self.totals:
            return self.totals.predicted_positive
        probability = self.frame[PREDICTION].dropna().to_numpy(float)
        return int(is_positive(probability, threshold).sum())


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
    from pipeline.model.onnx import open_session

    session = open_session(bundle)
    return replace(dataset, frame=predict_rows(dataset.frame, session))


def predict_rows(frame: pd.DataFrame, session: InferenceSession) -> pd.DataFrame:
    """Return rows with the predictions of a model.

    Args:
        frame: Rows with all features.
        session: A session on the model's graph.
    """
    from pipeline.model.arrays import feature_array
    from pipeline.model.onnx import positive_probability

    rows = feature_array(frame, np.float32)
    return frame.assign(**{PREDICTION: positive_probability(session, rows) if len(rows) else []})
