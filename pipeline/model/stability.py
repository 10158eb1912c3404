"""How much the predicted labels depend on which rows a model was trained on.

The candidate is fitted again on random halves of the rows. Such refits vary about as much as fits
on bootstrap samples of all rows (Buja and Stuetzle, Observations on Bagging, Statistica Sinica 16,
2006), but no row occurs twice, which would leak between the folds of the calibration. Refits on
80 % of the rows share most of them, and agree far more than models of other rows do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.budget import count_refits
from pipeline.model.calibration import FittedModel, fit_calibrated
from pipeline.model.families import Candidate
from pipeline.model.selection import select_candidates
from pipeline.model.training_data import TrainingData
from pipeline.model.units import count_rarer_class, draw_subsets
from pipeline.settings.training import TrainSettings
from pipeline.storage.artifacts.training import LabelStability

REFITS = 20
"""With 20, the standard error of a row's fraction of equal labels is at most 0.11."""
MIN_REFITS = 10
"""Fewest refits that say how stable a label is: the standard error is at most 0.16."""
TRAIN_FRACTION = 0.5
"""Fraction of the rows that a refit sees."""


@dataclass(frozen=True)
class Refits:
    """Fits of one candidate on subsets of the rows.

    Attributes:
        models: The fitted models, each with its own threshold and calibration.
        fraction: Fraction of the rows in each subset.
    """

    models: list[FittedModel]
    fraction: float


def refit_on_subsets(
    candidate: Candidate,
    data: TrainingData,
    settings: TrainSettings,
    seed: int,
    fraction: float = TRAIN_FRACTION,
) -> Refits:
    """Fit a candidate, with its threshold and calibration, on stratified subsets.

    There are REFITS of them; fewer, but at least MIN_REFITS, if the subsets are large.

    Args:
        candidate: The selected candidate.
        data: Rows to draw the subsets from.
        settings: The number of folds, the purpose of the threshold and the largest number of cells.
        seed: Seed of the subsets and of every fit.
        fraction: Fraction of the rows in each subset; more if a class would have fewer rows than
            the calibration has folds.
    """
    from joblib import Parallel, delayed

    fraction = max(fraction, (settings.folds + 1) / count_rarer_class(data))
    count = count_refits(round(data.labels.size * fraction), REFITS, MIN_REFITS, settings)
    subsets = [data.take(kept) for kept in draw_subsets(data, count, fraction, seed)]
    selections = select_candidates(subsets, settings, seed, (candidate,))
    models: list[FittedModel] = Parallel(n_jobs=-1)(
        delayed(fit_calibrated)(selection, subset, settings.folds, seed)
        for selection, subset in zip(selections, subsets, strict=True)
    )
    return Refits(models, fraction)


def measure_stability(final: FittedModel, refits: Refits, data: TrainingData) -> LabelStability:
    """Count the rows that get another label from a refit than from the final model.

    Args:
        final: The model that is served.
        refits: Fits of the same candidate on subsets of the rows.
        data: The rows.
    """
    labels = final.predict(data.rows).positive
    differs = np.array([refit.predict(data.rows).positive != labels for refit in refits.models])
    return LabelStability(
        refits=len(refits.models),
        fraction=refits.fraction,
        rows=labels.size,
        changed=int(differs.any(axis=0).sum()),
        mean_changed=float(differs.mean()),
    )
