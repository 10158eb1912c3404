"""The report of a training in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.console import echo, print_table
from pipeline.model import ablation_table
from pipeline.model.decision import describe_flagged_below_rate
from pipeline.model.thresholds import describe_purpose

if TYPE_CHECKING:
    from pipeline.model.training_export import ExportedTraining
    from pipeline.storage.artifacts.training import TrainReport

BASELINE_METRICS = ("roc_auc", "pr_auc", "balanced_accuracy")
"""Metrics by which the selection is compared with its baselines."""


def print_report(report: TrainReport, exported: ExportedTraining, cautions: Sequence[str]) -> None:
    """Print the ranking, the estimates, and what to know about the model.

    Args:
        report: The report.
        exported: The files of the model.
        cautions: What the data check found, in sentences.
    """
    ranking = (
        (name, f"{area:.3f}", "selected" if name == report.candidate else "")
        for name, area in report.ranking.items()
    )
    print_table(
        "Candidates, by cross-validation on train; the simplest within one standard error "
        f"({report.standard_error:.3f}) of the best is selected",
        ("candidate", "ROC AUC", ""),
        ranking,
    )
    if report.rows_used and report.rows_used.sentence:
        echo(f"train: {report.rows_used.sentence}")
    estimate = report.cross_validation
    compared = {"the selection": estimate, **report.baselines}
    print_table(
        "The selection and its baselines, on the same unseen rows",
        ("predictor", *BASELINE_METRICS),
        (
            (name, *(str(of[metric]) for metric in BASELINE_METRICS))
            for name, of in compared.items()
        ),
    )
    beats = report.gain_over_rule["roc_auc"].low > 0
    echo(f"train: {report.comparison_with_rule}", None if beats else "yellow")
    echo(
        f"train: {report.candidate}, threshold {report.threshold:.6g}; "
        f"model and ONNX graph differ by at most {report.onnx_difference:.1g}"
    )
    echo(f"train: {describe_purpose(report.inputs.settings)}")
    if sentence := describe_flagged_below_rate(exported.facts.flagged_below_rate):
        echo(f"train: {sentence}", "yellow")
    _print_stability(report, exported)
    if report.ablations:
        print_table(
            "What the selected candidate loses without sensitive features, on the same unseen rows",
            ablation_table.HEADER,
            ablation_table.tabulate_ablations(report.ablations),
        )
    echo(
        f"train: estimated on unseen rows: ROC AUC {estimate['roc_auc']}, "
        f"recall {estimate['recall']}, balanced accuracy {estimate['balanced_accuracy']}"
    )
    for sentence in cautions:
        echo(f"train: {sentence}", "yellow")


def _print_stability(report: TrainReport, exported: ExportedTraining) -> None:
    if not report.stability:
        echo(
            "train: a model of all rows has no refits, so the predictor cannot report how stable a "
            "label is"
        )
        return
    echo(f"train: {report.stability.sentence}")
    if not exported.refits:
        echo(
            f"train: the refits have more than {report.inputs.settings.max_refits_mib} MiB, so the "
            "predictor cannot report how stable a label is (MLOPS_TRAIN__MAX_REFITS_MIB)",
            "yellow",
        )
