"""Let the predictors answer again after `stop`."""

from __future__ import annotations

import argparse

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment import stopping
from pipeline.tracking.promotion_log import read_records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--reason", required=True, help="why, for the log")
    parser.add_argument(
        "--by", metavar="NAME", help="who resumes the answers (default: user and machine)"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Add the record, delete the marker, and wait for the predictors.

    Raises:
        PromotionError: If answers are not stopped, or another run is moving production.
        VerifyError: If a predictor does not answer in time.
    """
    stopping.resume(context, arguments.reason, arguments.by)
    echo(f"resume: {stopping.wait_for_predictors(context.settings, stopped=False)}")
    if promoted := stopping.find_unverified(read_records(context.lake)):
        echo(
            f"resume: version {promoted.move.to} has not been verified since its promotion. Run "
            f"`python -m pipeline verify --run-id {promoted.run_id}`",
            "yellow",
        )
