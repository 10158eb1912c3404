"""The figures of a model card: which are drawn, from what, and what they show."""

from __future__ import annotations

import pandas as pd

from pipeline.evaluation.model_card import curves, plots
from pipeline.evaluation.model_card.canvas import CANDIDATE, CHAMPION, OTHER
from pipeline.evaluation.model_card.curves import Series
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.result import EvaluationResult
from pipeline.model.arrays import label_array

FIGURES = {
    "threshold.png": "Recall, specificity and balanced accuracy by threshold",
    "confusion.png": "Confusion matrix of the test rows",
    "roc.png": "ROC curve",
    "precision_recall.png": "Precision by recall",
    "calibration.png": "Observed rate of positive rows by predicted probability",
    "feature_effects.png": "Mean predicted probability by value of each feature",
    "champion.png": "Metrics of candidate and champion with their intervals",
}
"""What each figure shows, by file name. The last one is drawn only if there is a champion."""

EFFECT_ROWS = 500
"""Largest number of test rows that the effects of features are averaged over."""


def draw_figures(
    result: EvaluationResult, candidate: SplitPredictions, out_of_fold: pd.DataFrame
) -> dict[str, bytes]:
    """Draw the figures.

    Args:
        result: The evaluation.
        candidate: The candidate on the test rows.
        out_of_fold: Label and `probability` of the training rows in the outer cross-validation.

    Returns:
        PNG bytes of each of FIGURES, by file name.
    """
    threshold = result.manifest.threshold
    test = Series("test", candidate.labels, candidate.predictions.probability, CANDIDATE)
    cross_validation = Series(
        "cross-validation",
        label_array(out_of_fold),
        out_of_fold["probability"].to_numpy(),
        OTHER,
    )
    series = [test, cross_validation]
    comparison = result.comparison
    if comparison is not None:
        series.append(
            Series(
                f"champion, version {comparison.version}",
                comparison.champion.labels,
                comparison.champion.predictions.probability,
                CHAMPION,
            )
        )
    min_recall = result.training.inputs.settings.min_recall
    rows = candidate.features[:: max(1, len(candidate.features) // EFFECT_ROWS)]
    figures = {
        "threshold.png": curves.threshold_choice(cross_validation, threshold, min_recall),
        "confusion.png": plots.confusion(candidate.labels, candidate.predictions.positive),
        "roc.png": curves.roc(series, threshold),
        "precision_recall.png": curves.precision_recall(series, threshold),
        "calibration.png": curves.calibration([test, cross_validation]),
        "feature_effects.png": plots.feature_effects(candidate.score, rows, threshold),
    }
    if comparison is not None:
        figures["champion.png"] = plots.side_by_side(
            comparison.candidate_metrics,
            comparison.champion_metrics,
            f"version {comparison.version}",
        )
    return figures
