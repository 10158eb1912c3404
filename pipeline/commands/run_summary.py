"""The summary at the end of `run`: stages, model, gates, a prediction, drift, files, next steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import stages
from pipeline.columns import LABEL, PROBABILITY
from pipeline.console import echo, format_decision, print_table
from pipeline.context import Context
from pipeline.data_check.report import read_data_check
from pipeline.drift.report import BLIND_SPOT, DRIFT, PERFORMANCE_TITLES, Report
from pipeline.evaluation import gates
from pipeline.model import ablation_table
from pipeline.model.bundle import Manifest
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.layout import MODELS_PREFIX, files_of_run, train_report
from pipeline.tracking.registry import PRODUCTION

NEXT_STEPS = (
    "Next: `make serve` opens the predictor's page and the MLflow UI; `make run` trains another",
    "      candidate; `make up` runs the platform on Kubernetes. Give each the same DATA=...;",
    "      `make adopt` describes your own file.",
)

MAX_REASONS = 10
"""Most contributions that are listed for a model with many features."""


def show(
    context: Context,
    seconds: Mapping[str, float],
    skipped: Mapping[str, str],
    answer: Mapping[str, Any],
    reports: Mapping[str, Report],
) -> None:
    """Print the summary.

    Args:
        context: The context of the run. A version must be in production.
        seconds: Duration of each stage that ran.
        skipped: Reasons of the stages that had nothing to do.
        answer: A row as `row` and the predictor's explained response to it as `answer`.
        reports: Drift reports by the kind of traffic.
    """
    version = context.registry.get_by_alias(PRODUCTION)
    assert version is not None
    manifest = context.registry.get_version_bundle(version).manifest
    stage_rows = [
        (stage.name, f"{seconds[stage.name]:.1f} s", skipped.get(stage.name, "done"))
        for stage in stages.STAGES
        if stage.name in seconds
    ]
    print_table("Stages", ("stage", "time", "result"), stage_rows)
    _print_model(context, manifest, version.number)
    _print_prediction(answer["row"], answer["answer"])
    drift_rows = [
        (kind, "drifted" if report.verdict == DRIFT else report.verdict, report.sentence)
        for kind, report in reports.items()
    ]
    print_table("Drift", ("traffic", "verdict", "summary"), drift_rows)
    _print_expected_performance(reports)
    prefixes = [*files_of_run(context.run_id), MODELS_PREFIX]
    keys = [key for prefix in prefixes for key in context.lake.keys(prefix)]
    print_table("Files", ("of this run",), ((context.lake.url(key),) for key in keys))
    for line in NEXT_STEPS:
        echo(line)


def _print_expected_performance(reports: Mapping[str, Report]) -> None:
    """Print what the model reaches on each kind of traffic if its probabilities are right."""
    expected = {
        kind: report.performance.expected
        for kind, report in reports.items()
        if report.performance is not None
    }
    print_table(
        "Expected performance without labels, with 95 % intervals",
        ("traffic", *PERFORMANCE_TITLES.values()),
        (
            (kind, *(str(metrics.get(name, "")) for name in PERFORMANCE_TITLES))
            for kind, metrics in expected.items()
        ),
    )
    echo(BLIND_SPOT)


def _print_model(context: Context, manifest: Manifest, number: str) -> None:
    """Print the metrics of the model in production, what they do not show, and its gates."""
    print_table(
        f"Production: {manifest.name} version {number}, {manifest.family}, "
        f"threshold {manifest.threshold:.3f}",
        ("metric on the test set", "value", "95 % interval"),
        (
            (name, f"{metric.value:.3f}", f"{metric.low:.3f} to {metric.high:.3f}")
            for name, metric in manifest.metrics.items()
        ),
    )
    check = read_data_check(context.lake, manifest.lineage.pipeline_run_id)
    for sentence in check.sentences if check else ():
        echo(f"Read these figures with care: {sentence}.", "yellow")
    gates.print_gates("Gates that it passed", "evaluate", manifest.gates)
    key = train_report(manifest.lineage.pipeline_run_id)
    training = context.lake.read_model(key, TrainReport) if context.lake.exists(key) else None
    if training and training.rows_used and training.rows_used.sentence:
        echo(f"{training.rows_used.sentence}.")
    if training and training.ablations:
        print_table(
            "What it loses without sensitive features",
            ablation_table.HEADER,
            ablation_table.tabulate_ablations(training.ablations),
        )


def _print_prediction(values: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    prediction = answer["predictions"][0]
    row = ", ".join(f"{name} {value}" for name, value in values.items())
    probability, threshold = format_decision(prediction[PROBABILITY], answer["threshold"])
    verdict = LABEL.get_title(prediction["label"] == LABEL.positive)
    unsure = ", unsure" if prediction.get("unsure") else ""
    echo(
        f"A prediction: {row} -> {verdict}{unsure} "
        f"(probability {probability}, threshold {threshold})"
    )
    if "explanation" not in prediction:
        echo("  without an explanation; the predictor's log has the reason")
        return
    echo(f"  {prediction['risk']}")
    if "stability" in prediction:
        echo(
            f"  {prediction['stability']:.0%} of the models that were trained on random halves of "
            "the same rows give the same label"
        )
    echo(f"  because {_describe_contributions(prediction['explanation'])}")


def _describe_contributions(explanation: Mapping[str, Any]) -> str:
    """List what the features add; for many features, the largest values and the sum of the rest."""
    contributions = dict(explanation["contributions"])
    scale = ""
    if explanation["scale"] == "log_odds":
        scale = " (log-odds)"
        order = sorted(contributions, key=lambda name: -abs(contributions[name]))
        shown = [name for name in order[:MAX_REASONS] if round(contributions[name], 3)]
        rest = sum(contributions.values()) - sum(contributions[name] for name in shown)
        contributions = {name: contributions[name] for name in shown} | {"all others": rest}
    return ", ".join(f"{name} {value:+.3f}" for name, value in contributions.items()) + scale
