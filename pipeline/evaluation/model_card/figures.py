"""The figures of a model card: which are drawn, from what, and what they show."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.evaluation.model_card import curves, plots
from pipeline.evaluation.model_card.canvas import CANDIDATE, CHAMPION, OTHER, use_style
from pipeline.evaluation.model_card.curves import Series
from pipeline.evaluation.model_card.effects import EffectCurve
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.result import EvaluationResult
from pipeline.model.arrays import label_array

FIGURES = {
    "threshold.svg": "Recall, specificity and balanced accuracy by threshold",
    "confusion.svg": "Confusion matrix of the test rows",
    "roc.svg": "ROC curve",
    "precision_recall.svg": "Precision by recall",
    "calibration.svg": "Observed rate of positive rows by predicted probability",
    "feature_effects.svg": "Mean predicted probability by value of each feature",
    "champion.svg": "Metrics of candidate and champion with their intervals",
}
"""What each figure shows, by file name. The last one is drawn only if there is a champion."""


def draw_figures(
    result: EvaluationResult,
    candidate: SplitPredictions,
    out_of_fold: pd.DataFrame,
    effects: Sequence[EffectCurve],
) -> dict[str, bytes]:
    """Draw the figures.

    Args:
        result: The evaluation.
        candidate: The candidate on the test rows.
        out_of_fold: Label and `probability` of the training rows in the outer cross-validation.
        effects: The effect curve of each feature.

    Returns:
        SVG bytes of each of FIGURES, by file name.
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
    with use_style():
        purpose = result.training.inputs.settings
        min_recall = purpose.min_recall if purpose.threshold_purpose == "recall" else None
        figures = {
            "threshold.svg": curves.threshold_choice(cross_validation, threshold, min_recall),
            "confusion.svg": plots.confusion(candidate.labels, candidate.predictions.positive),
            "roc.svg": curves.roc(series, threshold),
            "precision_recall.svg": curves.precision_recall(series, threshold),
            "calibration.svg": curves.calibration([test, cross_validation]),
            "feature_effects.svg": plots.feature_effects(effects, threshold),
        }
        if comparison is not None:
            figures["champion.svg"] = plots.side_by_side(
                comparison.candidate_metrics,
                comparison.champion_metrics,
                f"version {comparison.version}",
            )
    return figures
