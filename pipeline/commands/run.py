"""The whole life cycle on this machine: raw rows to a served, explained, monitored prediction.

Runs every stage, starts an MLflow server and the predictor on free ports of 127.0.0.1, predicts, sends normal and then
drifted traffic, checks both for drift, and sums up. All state is kept under `local/`; a later run trains a challenger.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
import urllib.request
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import columns, stages
from pipeline.commands import local_servers, run_summary
from pipeline.console import console, echo
from pipeline.context import Context, open_context
from pipeline.drift.report import Report
from pipeline.errors import PipelineError, SourceError, StageSkipped
from pipeline.settings import Settings
from pipeline.storage.layout import drift_report, silver_rows

ROWS_OF_TRAFFIC = 500


@dataclass
class Journal:
    """What has happened so far: seconds of each stage, and why one had nothing to do."""

    seconds: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def stage(self, name: str, context: Context, *options: Any) -> bool:
        """Runs a stage; False if it had nothing to do."""
        start = time.perf_counter()
        try:
            with console().status(
                f"{name}: {stages.get_stage(name).summary}"
            ):  # a terminal's alone
                importlib.import_module(f"pipeline.stages.{name}").run(context, *options)
        except StageSkipped as reason:
            self.skipped[name] = str(reason)
            echo(f"{name}: nothing to do: {reason}", "yellow")
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start
        return name not in self.skipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="gdrive:ID, https://..., s3://BUCKET/KEY, a path, sample or sample:ROWS; default: the original file, gdrive:...",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Everything, in order; a failure leaves what earlier runs made."""
    start = time.perf_counter()
    local_servers.load_predictor_settings()  # refuses a misspelt variable before any work
    settings = context.settings
    if arguments.data:
        settings = _with_source(settings, arguments.data)
    context = open_context(settings, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    journal = Journal()
    Path("local").mkdir(exist_ok=True)
    local_servers.end_on_sigterm()

    context = _ingest(context, journal)
    context.registry.get_or_create_experiment()  # creates the database before the server starts
    with local_servers.mlflow_server(settings, local_servers.free_port()) as mlflow:
        _train(context, journal)
        _deploy(context, journal)
        mlflow.wait_until_ready()
        with local_servers.predictor(settings, local_servers.free_port(), mlflow.url) as predictor:
            predictor.wait_until_ready()
            live = replace(context, settings=_with_predictor(settings, predictor.url))
            if "promote" in journal.seconds and "promote" not in journal.skipped:
                journal.stage("verify", live)
            answer = predict(predictor.url)
            verdicts = _watch(live, journal, predictor.url)
    run_summary.show(context, journal.seconds, journal.skipped, answer, verdicts)
    echo(
        f"done in {time.perf_counter() - start:.0f} s, of which the stages' own work is {sum(journal.seconds.values()):.0f} s"
    )


def _with_source(settings: Settings, source: str) -> Settings:
    return settings.model_copy(
        update={"ingest": settings.ingest.model_copy(update={"source": source})}
    )


def _ingest(context: Context, journal: Journal) -> Context:
    """Ingests the source; where Google Drive cannot be reached, says so and takes generated rows instead."""
    source = context.settings.ingest.source
    try:
        journal.stage("ingest", context)
    except SourceError as error:
        if not source.startswith("gdrive:"):
            raise
        echo(f"ingest: {error}", "yellow")
        echo(
            "ingest: going on with generated rows (DATA=sample); name a file of your own with DATA=PATH",
            "yellow",
        )
        context = replace(context, settings=_with_source(context.settings, "sample"))
        journal.stage("ingest", context)
    return context


def _train(context: Context, journal: Journal) -> None:
    for stage in stages.get_dag_stages("training"):
        if stage.name != "ingest" and not journal.stage(stage.name, context):
            break


def _deploy(context: Context, journal: Journal) -> None:
    """Validates and promotes what was registered.

    Raises:
        PipelineError: there is no production model, neither a new one nor an old one.
    """
    from pipeline.tracking.registry import PRODUCTION

    registered = "register" not in journal.skipped
    _ = registered and journal.stage("validate", context) and journal.stage("promote", context)
    if context.registry.get_by_alias(PRODUCTION) is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in journal.skipped.items())
        raise PipelineError(f"there is no model to serve. {reasons}")


def _with_predictor(settings: Settings, url: str) -> Settings:
    return settings.model_copy(
        update={"predictor": settings.predictor.model_copy(update={"url": url})}
    )


def predict(url: str) -> dict[str, Any]:
    """The explained prediction of the data dictionary's example student."""
    student = {feature.name: feature.example for feature in columns.FEATURES}
    request = urllib.request.Request(  # noqa: S310 - our own http:// URL
        f"{url}/predict?explain=true",
        json.dumps(student).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return {"student": student, "answer": json.load(answer)}


def _watch(context: Context, journal: Journal, url: str) -> dict[str, Report]:
    """Sends normal traffic, then drifted traffic, each followed by a drift check of just that; the two reports."""
    from pipeline.commands import traffic
    from pipeline.stages import drift
    from pipeline.storage.parquet import from_parquet

    reports = {}
    normal = from_parquet(context.lake.read(silver_rows(context.run_id)))
    rows = normal.sample(
        ROWS_OF_TRAFFIC, replace=len(normal) < ROWS_OF_TRAFFIC, random_state=context.settings.seed
    )
    for kind, frame in (
        ("normal", rows),
        ("drifted", traffic.drifted(rows, "scale", context.settings.seed)),
    ):
        since = datetime.now(UTC)
        traffic.send(url, frame)
        traffic.wait_until_logged(context, since, len(frame))
        check = replace(context, run_id=f"{context.run_id}-{kind}")
        window = drift.Window(since=since, until=datetime.now(UTC))
        echo(f"drift check of {len(frame):,} rows of {kind} traffic:")
        journal.stage("drift", check, window)
        reports[kind] = context.lake.read_model(drift_report(check.run_id), Report)
    journal.skipped.pop(
        "drift", None
    )  # that of the normal traffic; the summary tells both verdicts
    return reports
