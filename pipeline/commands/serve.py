"""Run the predictor and the MLflow UI on the results of `run`, until Ctrl-C."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import local_servers
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import PipelineError
from pipeline.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--data", metavar="PATH", help="your own data file, which `run` used")
    parser.add_argument("--columns", metavar="PATH", help="columns file that `run` used")


def run(context: Context) -> None:
    """Start both servers, print their URLs, and wait.

    Raises:
        PipelineError: If there is nothing to serve, a port is in use, or a server exits.
    """
    settings = context.settings
    if not Path(settings.mlflow.tracking_uri.removeprefix("sqlite:///")).exists():
        raise PipelineError(
            f"There is nothing to serve yet: {settings.mlflow.tracking_uri} does not exist. "
            "Run `make run` first."
        )
    port = local_servers.load_predictor_settings().port
    local_servers.check_port_is_free(port, "MLOPS_PREDICTOR__PORT")
    local_servers.check_port_is_free(settings.mlflow.port, "MLOPS_MLFLOW__PORT")
    local_servers.interrupt_on_sigterm()
    try:
        _serve(settings, port)
    except KeyboardInterrupt:
        echo("serve: stopped the predictor and MLflow")


def _serve(settings: Settings, port: int) -> None:
    with (
        local_servers.mlflow_server(settings, settings.mlflow.port) as mlflow,
        local_servers.predictor(settings, port, mlflow.url) as predictor,
    ):
        # The predictor starts first: it serves the lake's models/ until MLflow responds.
        predictor.wait_until_ready()
        echo(f"predictor  {predictor.url}       page, {predictor.url}/docs, /predict, /metrics")
        mlflow.wait_until_ready()
        echo(f"MLflow     {mlflow.url}       runs, models, model cards")
        echo("Press Ctrl-C to stop both.")
        predictor.process.wait()
        raise PipelineError(
            f"The predictor exited with code {predictor.process.returncode}. See {predictor.log}."
        )
