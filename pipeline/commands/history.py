"""Show who moved production, when, from which version to which, and why; the oldest move first."""

from __future__ import annotations

import argparse
import sys

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.deployment.chain import find_problems
from pipeline.deployment.promotion_log import Record, read_records
from pipeline.errors import PromotionError
from pipeline.storage.layout import PROMOTION_LOG, PROMOTION_RECORDS, REPORTS
from pipeline.tracking.registry import PRODUCTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--json", action="store_true", help=f"print the lines of {PROMOTION_LOG} instead"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check that no record was changed, removed or reordered",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Print the promotion log to standard output.

    Raises:
        PromotionError: If `--verify` is given and the log was changed.
    """
    if arguments.verify:
        verify(context)
        return
    records = [record for record in read_records(context.lake) if record.done]
    if not records:
        echo(f"history: {context.lake.url(REPORTS)} has no promotions yet")
    elif arguments.json:
        sys.stdout.write("".join(record.to_line() for record in records))
    else:
        header = ("", "time", "action", "production", "by", "reason")
        print_table("Promotions", header, map(format_row, records), is_answer=True)


def verify(context: Context) -> None:
    """Check the promotion log against its own hashes and the registry.

    Raises:
        PromotionError: If it was changed.
    """
    lake = context.lake
    objects = {key: lake.read(key) for key in lake.keys(PROMOTION_RECORDS)}
    log = lake.read(PROMOTION_LOG) if lake.exists(PROMOTION_LOG) else b""
    problems = find_problems(objects, log, context.registry.get_by_alias(PRODUCTION))
    if problems:
        raise PromotionError("The promotion log was changed.\n" + "\n".join(problems))
    sys.stdout.write(f"history: {len(objects)} records, complete and unchanged\n")


def format_row(record: Record) -> tuple[str, ...]:
    """Format a record as a row of the table."""
    origin, to = record.move.origin, record.move.to
    return (
        str(record.number),
        record.started_at,
        record.action,
        to if origin == to else f"{origin or 'none'} -> {to}",
        record.owner,
        record.move.reason,
    )
