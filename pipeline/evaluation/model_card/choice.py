"""How the candidate and its threshold were chosen, for the model card."""

from __future__ import annotations

from pipeline.evaluation.metric_titles import get_metric_title
from pipeline.evaluation.model_card.figures import FIGURES
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Heading, Pictures, Table, Text

COMPARED = ("roc_auc", "pr_auc", "balanced_accuracy", "brier")
"""Metrics by which the selection is compared with its baselines."""


def describe_selection(result: EvaluationResult) -> list[Block]:
    """The ranking of the candidates, and what simple predictors reach."""
    training = result.training
    ranking = [
        (name, f"{roc_auc:.3f}", "selected" if name == training.candidate else "")
        for name, roc_auc in training.ranking.items()
    ]
    blocks: list[Block] = [
        Heading("How it was chosen"),
        Text(
            "Mean ROC AUC over the folds within the training rows. The simplest candidate within "
            f"one standard error ({training.standard_error:.3f}) of the best is selected."
        ),
        Table(("candidate", "ROC AUC", ""), ranking, numeric=(1,)),
    ]
    if training.baselines:
        compared = {"this selection": training.cross_validation, **training.baselines}
        blocks += [
            Text(f"{training.comparison_with_rule}. All were measured on the same unseen rows."),
            Table(
                ("predictor", *(get_metric_title(metric) for metric in COMPARED)),
                [
                    (name, *(str(metrics[metric]) for metric in COMPARED))
                    for name, metrics in compared.items()
                ],
                numeric=range(1, len(COMPARED) + 1),
            ),
        ]
    return blocks


def describe_threshold(result: EvaluationResult) -> list[Block]:
    """What the threshold was chosen for, and what it gives up."""
    min_recall = result.training.inputs.settings.min_recall
    threshold = result.manifest.threshold
    return [
        Heading("Choice of the threshold"),
        Text(
            f"Of all thresholds that reach a recall of {min_recall:g} on out-of-fold rows, "
            f"{threshold:.4g} has the best balanced accuracy. It is low because the outcome is "
            f"rare: compare {threshold:.1%} with the overall rate of {_positive_rate(result):.1%}. "
            "The figure shows the trade-off on the rows of the outer cross-validation, which the "
            "choice did not use."
        ),
        Pictures({"threshold.svg": FIGURES["threshold.svg"]}),
    ]


def _positive_rate(result: EvaluationResult) -> float:
    splits = result.splits.values()
    return sum(split.positives for split in splits) / sum(split.rows for split in splits)
