"""Stop the answers of all predictors within 10 seconds.

The predictors respond to requests for predictions with 503 and the reason, until `resume`. Training
and promotion continue, and do not resume the answers. The command needs no MLflow to take effect.
"""

from __future__ import annotations

import argparse

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.stopping import record_stop, wait_for_predictors, write_marker
from pipeline.errors import PipelineError, PromotionError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--reason", required=True, help="why, for the log and for everybody who gets no answer"
    )
    parser.add_argument(
        "--by", metavar="NAME", help="who stops the answers (default: user and machine)"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Write the marker, wait for the predictors, and add the record.

    Raises:
        VerifyError: If a predictor still answers.
        PromotionError: If the answers are stopped, but the record cannot be added.
    """
    stop = write_marker(context, arguments.reason, arguments.by)
    echo(f"stop: {wait_for_predictors(context.settings, stopped=True)}")
    try:
        record_stop(context, stop, arguments.by)
    except PipelineError as error:
        raise PromotionError(
            f"The answers are stopped, but the promotion log has no record of it. {error} Run the "
            "command again to add the record."
        ) from error
