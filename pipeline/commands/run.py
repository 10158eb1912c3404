"""Run the whole life cycle on this machine, from raw rows to a monitored prediction.

Runs every stage, starts an MLflow server and the predictor on free ports of 127.0.0.1, explains a
prediction, sends traffic without and with drift, checks both for drift, and prints a summary. All
state is kept in `local/`. A later run trains a candidate that has to beat the model in production.
"""

from __future__ import annotations

import argparse
import importlib
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from pipeline import stages
from pipeline.commands import local_servers, run_summary, traffic
from pipeline.console import console, echo
from pipeline.context import Context, open_context
from pipeline.drift.report import Report
from pipeline.drift.simulation import apply_drift
from pipeline.errors import PipelineError, SourceError, StageSkipped
from pipeline.http_client import open_client
from pipeline.settings import Settings
from pipeline.stages.drift import Window
from pipeline.storage.exclusion import exclude_erasures
from pipeline.storage.layout import drift_report
from pipeline.storage.samples import read_table
from pipeline.storage.tables import find_silver_parts
from pipeline.tracking.registry import PRODUCTION

TRAFFIC_ROWS = 500
REQUEST_TIMEOUT_SECONDS = 10


@dataclass
class RunLog:
    """Which stages ran, for how long, and why some had nothing to do.

    Attributes:
        seconds: Duration of each stage that ran.
        skipped: Reasons of the stages that had nothing to do.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def run_stage(self, name: str, context: Context, *options: Any) -> bool:
        """Run a stage, and return False if it had nothing to do."""
        start = time.perf_counter()
        try:
            with (
                console().status(f"{name}: {stages.get_stage(name).summary}"),
                exclude_erasures(context.lake, name, context.run_id),
            ):
                importlib.import_module(f"pipeline.stages.{name}").run(context, *options)
        except StageSkipped as reason:
            self.skipped[name] = str(reason)
            echo(f"{name}: nothing to do: {reason}", "yellow")
            return False
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start
        return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="gdrive:ID, https://..., s3://BUCKET/KEY, a path, sample or sample:ROWS "
        "(default: MLOPS_INGEST__SOURCE)",
    )
    parser.add_argument(
        "--columns",
        metavar="PATH",
        help="columns file (default: MLOPS_COLUMNS, else the one that `adopt` wrote for the data)",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Run everything in order.

    Raises:
        PipelineError: If a step fails. What earlier runs made is unchanged.
    """
    start = time.perf_counter()
    local_servers.load_predictor_settings()  # refuse a misspelled variable before any work
    settings = context.settings
    if arguments.data:
        settings = _with_source(settings, arguments.data)
    context = open_context(settings, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    log = RunLog()
    Path("local").mkdir(exist_ok=True)
    local_servers.interrupt_on_sigterm()

    context = _ingest(context, log)
    context.registry.get_or_create_experiment()  # creates the database before the server starts
    with local_servers.mlflow_server(settings, local_servers.find_free_port()) as mlflow:
        _train(context, log)
        promoted = _deploy(context, log)
        mlflow.wait_until_ready()
        port = local_servers.find_free_port()
        with local_servers.predictor(settings, port, mlflow.url) as predictor:
            predictor.wait_until_ready()
            live = replace(context, settings=_with_predictor(settings, predictor.url))
            if promoted:
                log.run_stage("verify", live)
            answer = predict(predictor.url, settings.predictor.api_key.get_secret_value())
            reports = _monitor(live, log)
    run_summary.show(context, log.seconds, log.skipped, answer, reports)
    echo(
        f"done in {time.perf_counter() - start:.0f} s; "
        f"the stages took {sum(log.seconds.values()):.0f} s of them"
    )


def _with_source(settings: Settings, source: str) -> Settings:
    ingest = settings.ingest.model_copy(update={"source": source})
    return settings.model_copy(update={"ingest": ingest})


def _with_predictor(settings: Settings, url: str) -> Settings:
    predictor = settings.predictor.model_copy(update={"url": url})
    return settings.model_copy(update={"predictor": predictor})


def _ingest(context: Context, log: RunLog) -> Context:
    """Ingest the source, or generated rows if it is on Google Drive and cannot be downloaded."""
    source = context.settings.ingest.source
    try:
        log.run_stage("ingest", context)
    except SourceError as error:
        if not source.startswith("gdrive:"):
            raise
        echo(f"ingest: {error}", "yellow")
        echo(
            "ingest: using generated rows instead (DATA=sample); DATA=PATH uses your own file",
            "yellow",
        )
        context = replace(context, settings=_with_source(context.settings, "sample"))
        log.run_stage("ingest", context)
    return context


def _train(context: Context, log: RunLog) -> None:
    for stage in stages.get_dag_stages("training"):
        if stage.name != "ingest" and not log.run_stage(stage.name, context):
            break


def _deploy(context: Context, log: RunLog) -> bool:
    """Validate and promote the candidate, if one was registered; return whether it was promoted.

    Raises:
        PipelineError: If no model is in production afterwards, neither a new nor an old one.
    """
    promoted = False
    if "register" in log.seconds and "register" not in log.skipped:
        promoted = log.run_stage("validate", context) and log.run_stage("promote", context)
    if context.registry.get_by_alias(PRODUCTION) is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in log.skipped.items())
        raise PipelineError(f"There is no model to serve. {reasons}")
    return promoted


def predict(url: str, api_key: str = "") -> dict[str, Any]:
    """Request an explained prediction for the example row of the predictor's columns file.

    The row is not a real person's, so the predictor does not log it as live traffic.

    Args:
        url: URL of the predictor.
        api_key: API key of the predictor; empty for none.

    Returns:
        The row as `row`, and the predictor's response as `answer`.

    Raises:
        PipelineError: If the predictor does not respond, or responds with an error.
    """
    try:
        with open_client(REQUEST_TIMEOUT_SECONDS, api_key=api_key) as client:
            described = client.get(f"{url}/columns").raise_for_status().json()
            row = {feature["name"]: feature["example"] for feature in described["features"]}
            options = {"explain": "true", "log": "false"}
            response = client.post(f"{url}/predict", params=options, json=row)
            if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:  # no explanations
                options["explain"] = "false"
                response = client.post(f"{url}/predict", params=options, json=row)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise PipelineError(f"The predictor at {url} returned no prediction: {error}") from error
    return {"row": row, "answer": response.json()}


def _monitor(context: Context, log: RunLog) -> dict[str, Report]:
    """Send traffic without drift, then with drift, and check each; the reports by kind."""
    settings = context.settings
    parts = find_silver_parts(context.lake, context.run_id)
    silver = read_table(context.lake, parts, traffic.MAX_SAMPLED_ROWS)
    normal = traffic.sample_rows(silver, TRAFFIC_ROWS, settings.seed)
    reports = {}
    for kind, rows in (
        ("normal", normal),
        ("drifted", apply_drift(normal, "scale", settings.seed)),
    ):
        since = datetime.now(UTC)
        api_key = settings.predictor.api_key.get_secret_value()
        traffic.send(settings.predictor.url, rows, api_key=api_key)
        traffic.wait_until_logged(context, since, len(rows))
        check = replace(context, run_id=f"{context.run_id}-{kind}")
        echo(f"Drift check of {len(rows):,} rows of {kind} traffic:")
        log.run_stage("drift", check, Window(since=since, until=datetime.now(UTC)))
        reports[kind] = context.lake.read_model(drift_report(check.run_id), Report)
    log.skipped.pop("drift", None)  # the summary shows both verdicts
    return reports
