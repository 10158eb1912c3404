"""What sensitive features are worth: the ROC AUC that a model loses without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.columns import FEATURES
from pipeline.model.candidates import make_candidates
from pipeline.model.cross_validation import OuterFold, estimate_differences
from pipeline.model.families import Candidate
from pipeline.model.metrics import Predictions
from pipeline.model.selection import fit_and_score
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.storage.artifacts.training import Ablation


def measure_ablations(
    data: TrainingData,
    outer_folds: Sequence[OuterFold],
    candidate: Candidate,
    sensitive: Sequence[str],
    settings: Settings,
) -> list[Ablation]:
    """Fit the selected candidate without each sensitive feature, and without all of them.

    The candidate is not selected again, so the cost is that of the features to this candidate. The
    models are not calibrated, because calibration does not change a ranking.

    Args:
        data: The rows that the folds divide.
        outer_folds: The outer cross-validation; only its division of the rows is used.
        candidate: The selected candidate.
        sensitive: Names of the sensitive features.
        settings: The seed and the section `train`.

    Returns:
        The cost of leaving out each sensitive feature and, if there are several, all of them. What
        would leave no feature is left out.
    """
    left_out = [[name] for name in sensitive]
    if len(sensitive) > 1:
        left_out.append(list(sensitive))
    left_out = [names for names in left_out if len(names) < len(FEATURES)]
    if not left_out:
        return []
    full, *reduced = _cross_validate(data, outer_folds, candidate, [[], *left_out], settings)
    costs = [estimate_differences(data.labels, full, folds) for folds in reduced]
    return [
        Ablation(features=names, roc_auc_cost=cost["roc_auc"])
        for names, cost in zip(left_out, costs, strict=True)
    ]


def _cross_validate(
    data: TrainingData,
    outer_folds: Sequence[OuterFold],
    candidate: Candidate,
    left_out: Sequence[Sequence[str]],
    settings: Settings,
) -> list[list[OuterFold]]:
    """For each list of features, fit the candidate without them in every fold."""
    from joblib import Parallel, delayed

    tasks = []
    for names in left_out:
        kept = [index for index, feature in enumerate(FEATURES) if feature.name not in names]
        reduced = data._replace(rows=data.rows[:, kept])
        for fold in outer_folds:
            known = np.setdiff1d(np.arange(data.labels.size), fold.indices)
            tasks.append(
                (
                    _reduce(candidate, kept, settings),
                    reduced.take(known),
                    reduced.rows[fold.indices],
                )
            )
    scores = iter(
        Parallel(n_jobs=-1)(delayed(fit_and_score)(*task, settings.seed) for task in tasks)
    )
    return [
        [
            OuterFold(fold.indices, candidate.name, Predictions(next(scores), np.inf))
            for fold in outer_folds
        ]
        for _ in left_out
    ]


def _reduce(candidate: Candidate, kept: Sequence[int], settings: Settings) -> Candidate:
    """The candidate of the same name for rows with these features only."""
    candidates = make_candidates([FEATURES[index] for index in kept], settings.train)
    return next(one for one in candidates if one.name == candidate.name)
