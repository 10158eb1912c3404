"""Measure what the stability of a label says about models that learned from other students.

`python -m tests.bench.label_stability` writes the table of docs/reference/model-quality.md. It
keeps the results in tests/bench/results/label_stability.json.

The simulated students are like the survey: 1 in 11 of those who sleep more than 6 hours or review
less than 2 fails, and 1 in 160 of the others. Only the logistic regression is simulated, because
its fits are fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.selection import select_candidate
from pipeline.model.stability import refit_on_subsets
from pipeline.model.training_data import TrainingData
from pipeline.settings.training import TrainSettings
from serving.settings import PredictorSettings
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "model-quality.md"
PART = "label stability"
CANDIDATE = next(candidate for candidate in CANDIDATES if candidate.family == "logistic")
FRACTIONS = (0.5, 0.8)
"""Fractions of the rows that refits learn from."""
ROWS = 750
DATA_SETS = 12
OTHERS = 40
"""Models that learned from other students."""
EVALUATED = 1_000
SETTINGS = TrainSettings()

Results = list[dict[str, Any]]


def draw(rows: int, seed: int) -> TrainingData:
    """Draw students."""
    random = np.random.default_rng(seed)
    columns = [
        random.choice(list(feature.codes.values()), rows, p=feature.frequencies)
        if isinstance(feature, Category)
        else np.round(random.uniform(*feature.typical, rows) / feature.step) * feature.step
        for feature in FEATURES
    ]
    features = np.column_stack(columns).astype(np.float32)
    named = dict(zip(FEATURE_NAMES, features.T, strict=True))
    is_risky = (named["sleep_hours"] > 6) | (named["review_hours"] < 2)
    labels = random.random(rows) < np.where(is_risky, 1 / 11, 1 / 160)
    return TrainingData(features, labels.astype(int))


def predict(data: TrainingData, rows: TrainingData) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Labels of the rows by a model that learned from `data`."""
    selection = select_candidate(data, SETTINGS, 0, (CANDIDATE,))
    return fit_calibrated(selection, data, SETTINGS.folds, 0).predict(rows.rows).positive


def simulate() -> Results:
    """Compare the stability of labels with how many models of other students give the same."""
    evaluated = draw(EVALUATED, 1_000_000)
    others = np.array([predict(draw(ROWS, 1_000 + seed), evaluated) for seed in range(OTHERS)])
    stability: dict[float, list[Any]] = {fraction: [] for fraction in FRACTIONS}
    agreement = []
    for seed in range(DATA_SETS):
        data = draw(ROWS, seed)
        labels = predict(data, evaluated)
        agreement.append((others == labels).mean(axis=0))
        for fraction in FRACTIONS:
            refits = refit_on_subsets(CANDIDATE, data, SETTINGS, seed, fraction).models
            votes = [refit.predict(evaluated.rows).positive == labels for refit in refits]
            stability[fraction].append(np.mean(votes, axis=0))
    agreeing = np.concatenate(agreement)
    results = []
    for fraction, found in stability.items():
        stabilities = np.concatenate(found)
        unsure = stabilities < PredictorSettings().min_stability
        results.append(
            {
                "fraction": fraction,
                "stability": float(stabilities.mean()),
                "agreement": float(agreeing.mean()),
                "unsure": float(unsure.mean()),
                "agreement_if_unsure": float(agreeing[unsure].mean()),
                "agreement_if_sure": float(agreeing[~unsure].mean()),
            }
        )
    return results


def simulated() -> Results:
    """The results; simulated again if the code that they measure has changed."""
    sources = [ROOT / "pipeline/model/stability.py", ROOT / "tests/bench/label_stability.py"]
    code = hash_code(sources, SETTINGS, PredictorSettings().min_stability)
    found: Results = measure("label_stability", PART, code, simulate)
    return found


def format_table(found: Results) -> str:
    header = (
        *("refits learn from", "mean stability", "other models that agree", "unsure labels"),
        *("other models that agree if unsure", "if not unsure"),
    )
    rates = ("fraction", "stability", "agreement", "unsure")
    names = (*rates, "agreement_if_unsure", "agreement_if_sure")
    return table(header, ([f"{row[name]:.0%}" for name in names] for row in found))


if __name__ == "__main__":
    put(PAGE, PART, format_table(simulated()))
