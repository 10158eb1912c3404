"""How much the predicted labels depend on which rows a model was trained on."""

from __future__ import annotations

import numpy as np

from pipeline.model.calibration import FittedModel, fit_calibrated
from pipeline.model.candidates import Candidate
from pipeline.model.selection import select_candidates
from pipeline.model.training_data import TrainingData
from pipeline.settings import TrainSettings
from pipeline.storage.artifacts import LabelStability

REFITS = 5
TRAIN_FRACTION = 0.8
"""Fraction of the rows that a refit sees."""


def refit_on_subsets(
    candidate: Candidate, data: TrainingData, settings: TrainSettings, seed: int
) -> list[FittedModel]:
    """Fit a candidate, with its threshold and calibration, on REFITS stratified subsets.

    Args:
        candidate: The selected candidate.
        data: Rows to draw the subsets from.
        settings: The number of folds and the purpose of the threshold.
        seed: Seed of the subsets and of every fit.
    """
    from joblib import Parallel, delayed
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(REFITS, train_size=TRAIN_FRACTION, random_state=seed)
    subsets = [data.take(kept) for kept, _ in splitter.split(*data)]
    selections = select_candidates(subsets, settings, seed, (candidate,))
    models: list[FittedModel] = Parallel(n_jobs=-1)(
        delayed(fit_calibrated)(selection, subset, settings.folds, seed)
        for selection, subset in zip(selections, subsets, strict=True)
    )
    return models


def measure_stability(
    final: FittedModel, refits: list[FittedModel], data: TrainingData
) -> LabelStability:
    """Count the rows that get another label from a refit than from the final model.

    Args:
        final: The model that is served.
        refits: Fits of the same candidate on subsets of the rows.
        data: The rows.
    """
    labels = final.predict(data.rows).positive
    differs = np.array([refit.predict(data.rows).positive != labels for refit in refits])
    return LabelStability(
        refits=len(refits),
        rows=labels.size,
        changed=int(differs.any(axis=0).sum()),
        mean_changed=float(differs.mean()),
    )
