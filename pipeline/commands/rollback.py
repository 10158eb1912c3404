"""Puts an earlier version back into production, by default the one with the alias `previous`.

The version that leaves is tagged `rejected` with the reason, so that no deployment promotes it again; `--to` brings any version
back, a rejected one too. The predictors follow by themselves: the command waits until all that answer serve it.
"""

from __future__ import annotations

import argparse

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import rollback_to
from pipeline.deployment.predictor_client import (
    Replica,
    Unreachable,
    find_replicas,
    request_all,
    wait_for_rollout,
)
from pipeline.deployment.promotion_log import move, print_record
from pipeline.errors import VerifyError
from pipeline.tracking.registry import PRODUCTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        metavar="VERSION",
        help="version to put into production (default: the alias `previous`)",
    )
    parser.add_argument(
        "--reason", default="by hand", help="why, for the history and the version that leaves"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Moves production back and waits for the predictors."""
    to, reason = arguments.to, arguments.reason
    record = move(context, "rollback", rollback_to(context, reason, to=to), run_id=None)
    if (
        to is not None and record.move.to != to
    ):  # that was an earlier one, which had been interrupted
        record = move(context, "rollback", rollback_to(context, reason, to=to), run_id=None)
    print_record(record)
    answers = request_all(find_replicas(context.settings), Replica.get_model)
    if all(isinstance(answer, Unreachable) for answer in answers.values()):
        echo(
            f"rollback: no predictor answers at {context.settings.predictor.url}; one that starts serves version {record.move.to}"
        )
    elif late := wait_for_rollout(context.settings, record.move.to):
        raise VerifyError(f"version {record.move.to} is in `{PRODUCTION}`, but {late}")
    else:
        echo(f"rollback: the predictors serve version {record.move.to}")
