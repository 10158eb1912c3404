"""Write a bundle for a columns file with any number of features to a lake.

`MLOPS_COLUMNS=FILE python -m tests.support.wide_bundle FOLDER` writes it to the lake in the folder,
and prints, for each candidate, by how much a sum of contributions differs from the log-odds.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from pipeline.columns import FEATURES, Category
from pipeline.model.bundle import Bundle, write_fallback
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES, make_candidates, positive_probability
from pipeline.model.export import describe_training, to_onnx
from pipeline.model.metrics import Predictions
from pipeline.model.selection import Selection
from pipeline.model.training_data import TrainingData
from pipeline.settings.connections import LakeSettings
from pipeline.settings.training import TrainSettings
from pipeline.storage.lake import open_lake
from serving.model.log_odds import LogOddsShapley
from serving.model.scorers import onnx_scorer
from tests.support.forest import add_refits, export_bundle, fit_on_halves

ROWS = 300
SERVED, REFITTED = "histogram boosting, 8 leaves", "tree, 3 leaves"
"""Names of the candidates. The refits are of another one, which fits faster."""
BLANKS = 0.1
"""Fraction of blanks in each feature that may be blank."""


def make_rows() -> TrainingData:
    """Make rows with random typical values and blanks; two features decide about the label."""
    random = np.random.default_rng(3)
    columns = [
        random.choice(list(feature.codes.values()), ROWS)
        if isinstance(feature, Category)
        else random.uniform(*feature.typical, ROWS)
        for feature in FEATURES
    ]
    ranks = [np.argsort(np.argsort(column)) / ROWS for column in columns[:2]]
    labels = ranks[0] * ranks[1] + random.normal(scale=0.1, size=ROWS) > 0.4
    rows = np.column_stack(columns).astype(np.float32)
    optional = np.array([not feature.required for feature in FEATURES])
    rows[(random.random(rows.shape) < BLANKS) & optional] = np.nan
    return TrainingData(rows, labels.astype(int))


def make_bundle() -> Bundle:
    """Train a model, and refits on halves of the rows."""
    data = make_rows()
    candidates = {candidate.name: candidate for candidate in CANDIDATES}
    model = candidates[SERVED].build_calibrated(0, 2).fit(data.rows, data.labels)
    refitted = candidates[REFITTED]
    refits = fit_on_halves(
        data, lambda half, seed: refitted.build_calibrated(seed, 2).fit(half.rows, half.labels)
    )
    predictions = Predictions(positive_probability(model, data.rows), 0.5)
    facts = describe_training(data, 0.5, predictions)
    return add_refits(export_bundle(model, data.rows, 0.5, 100, training=facts), refits)


def make_small_bundle() -> Bundle:
    """Train a small tree, without refits."""
    data = make_rows()
    candidates = {candidate.name: candidate for candidate in CANDIDATES}
    model = candidates[REFITTED].build(0).fit(data.rows, data.labels)
    facts = describe_training(data, 0.5, Predictions(positive_probability(model, data.rows), 0.5))
    return export_bundle(model, data.rows, 0.5, 100, training=facts)


def explain_candidates() -> dict[str, float]:
    """By candidate: largest difference of explanations from the log-odds of its probabilities."""
    data = make_rows()
    differences = {}
    for candidate in make_candidates(FEATURES, TrainSettings(lightgbm=True)):
        model = fit_calibrated(Selection(candidate, 0.0, {}), data, folds=2, seed=0).model
        graph = to_onnx(model)
        explainer = LogOddsShapley(graph, onnx_scorer(graph), data.rows[:20])
        explained = [explainer.explain(row) for row in data.rows[20:25]]
        sums = np.array([base + values.sum() for base, values in explained])
        probability = positive_probability(model, data.rows[20:25])
        difference = sums - np.log(probability / (1 - probability))
        differences[candidate.name] = float(np.abs(difference).max())
    return differences


if __name__ == "__main__":
    sys.stdout.write(json.dumps(explain_candidates()))
    write_fallback(open_lake(LakeSettings(url=f"file://{sys.argv[1]}/lake")), make_bundle())
