"""What `run` ends with: the model, its metrics and gates, the verdicts, the files, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import stages
from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.drift.report import Report
from pipeline.evaluation import gates
from pipeline.storage.layout import MODELS_PREFIX, files_of_run
from pipeline.tracking.registry import PRODUCTION


def show(
    context: Context,
    seconds: Mapping[str, float],
    skipped: Mapping[str, str],
    answer: Mapping[str, Any],
    reports: Mapping[str, Report],
) -> None:
    """Tables for people."""
    registry = context.registry
    version = registry.get_by_alias(PRODUCTION)
    assert version is not None  # `run` ends before this without one
    manifest = registry.get_version_bundle(version).manifest

    rows = []
    for stage in stages.STAGES:
        if stage.name in seconds:
            rows.append(
                (stage.name, f"{seconds[stage.name]:.1f} s", skipped.get(stage.name, "done"))
            )
    print_table("Stages", ("stage", "time", "end"), rows)
    print_table(
        f"Production: {manifest.name} version {version.number}, {manifest.family}, threshold {manifest.threshold:.3f}",
        ("metric on the test set", "value", "95 % interval"),
        (
            (name, f"{at.value:.3f}", f"{at.low:.3f} to {at.high:.3f}")
            for name, at in manifest.metrics.items()
        ),
    )
    gates.print_gates("Gates it passed", manifest.gates)
    prediction = answer["answer"]["predictions"][0]
    told = ", ".join(f"{name} {value}" for name, value in answer["student"].items())
    echo(
        f"A prediction: {told} -> {prediction['label']}, fail probability {prediction['fail_probability']:.3f}"
    )
    contributions = prediction["explanation"]["contributions"]
    echo("  because " + ", ".join(f"{name} {value:+.3f}" for name, value in contributions.items()))
    print_table(
        "Drift",
        ("traffic", "verdict", "in words"),
        (
            (
                kind,
                "drifted" if report.verdict == "drift" else report.verdict,
                report.sentence,
            )
            for kind, report in reports.items()
        ),
    )
    lake, run_id = context.lake, context.run_id
    files = [key for prefix in files_of_run(run_id) for key in lake.keys(prefix)]
    print_table(
        "Files", ("of this run",), ((lake.url(key),) for key in [*files, *lake.keys(MODELS_PREFIX)])
    )
    echo(
        "Next: `make serve` opens the predictor's page and the MLflow UI on this; run again to train a challenger;"
    )
    echo(
        "      `make run DATA=...` on data of your own; `make up` for the same on a Kubernetes cluster."
    )
