"""How the candidate and its threshold were chosen, for the model card."""

from __future__ import annotations

from pipeline.columns import LABEL
from pipeline.evaluation.metric_titles import get_metric_title
from pipeline.evaluation.model_card.figures import FIGURES
from pipeline.evaluation.result import EvaluationResult
from pipeline.model.decision import describe_flagged_below_rate
from pipeline.model.thresholds import describe_purpose
from pipeline.reporting.document import Block, Heading, Pictures, Table, Text
from pipeline.storage.artifacts.training import TrainReport

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
            f"{_describe_rows(training)}"
        ),
        Table(("candidate", "ROC AUC", "choice"), ranking, numeric=(1,)),
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


def _describe_rows(training: TrainReport) -> str:
    sentence = training.rows_used.sentence if training.rows_used else ""
    return f" {sentence}." if sentence else ""


def describe_threshold(result: EvaluationResult) -> list[Block]:
    """What the threshold was chosen for, and what it gives up."""
    threshold, base_rate = result.manifest.threshold, _positive_rate(result)
    facts = result.manifest.training
    warning = describe_flagged_below_rate(facts.flagged_below_rate if facts else None)
    below = f" {warning}." if warning else ""
    return [
        Heading("Choice of the threshold"),
        Text(
            f"{describe_purpose(result.training.inputs.settings)}. The threshold is "
            f"{threshold:.4g}; the overall rate is {base_rate:.4g}.{below} People read "
            f"“{LABEL.get_title(True)}” for `{LABEL.positive}` and “{LABEL.get_title(False)}” for "
            f"`{LABEL.negative}`. The figure shows the trade-off on the rows of the outer "
            "cross-validation, which the choice did not use."
        ),
        *_describe_stability(result),
        Pictures({"threshold.svg": FIGURES["threshold.svg"]}),
    ]


def _describe_stability(result: EvaluationResult) -> list[Block]:
    stability = result.training.stability
    return [Text(f"{stability.sentence}.")] if stability else []


def _positive_rate(result: EvaluationResult) -> float:
    splits = result.splits.values()
    return sum(split.positives for split in splits) / sum(split.rows for split in splits)
