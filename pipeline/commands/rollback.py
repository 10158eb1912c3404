"""Return production to an earlier version, by default the one with the alias `previous`.

The version that leaves production is tagged `rejected` with the reason, and no deployment promotes
it again; `--to` brings back any version, even a rejected one. The command ends when every predictor
that responds serves the version.
"""

from __future__ import annotations

import argparse

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import print_aliases
from pipeline.deployment.predictor_client import (
    Replica,
    Unreachable,
    find_replicas,
    request_all,
    wait_for_rollout,
)
from pipeline.deployment.rollback import roll_back
from pipeline.errors import VerifyError
from pipeline.tracking.registry import PRODUCTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--to", metavar="VERSION", help="version to return to (default: the alias `previous`)"
    )
    parser.add_argument(
        "--reason", default="by hand", help="reason for the log and the tag (default: %(default)s)"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Roll back and wait for the predictors.

    Raises:
        PromotionError: If there is no version to return to, or another run is moving production.
        VerifyError: If a predictor does not serve the version in time.
    """
    to, reason = arguments.to, arguments.reason
    record = roll_back(context, "rollback", reason, to=to)
    if to is not None and record.move.to != to:
        # That was the rest of an interrupted rollback to another version.
        record = roll_back(context, "rollback", reason, to=to)
    print_aliases(record)
    restored, url = record.move.to, context.settings.predictor.url
    models = request_all(find_replicas(context.settings), Replica.get_model)
    if all(isinstance(model, Unreachable) for model in models.values()):
        echo(
            f"rollback: no predictor responds at {url}; one that starts will serve version "
            f"{restored}"
        )
    elif late := wait_for_rollout(context.settings, restored):
        raise VerifyError(f"Version {restored} is in `{PRODUCTION}`, but {late}.")
    else:
        echo(f"rollback: the predictors serve version {restored}")
