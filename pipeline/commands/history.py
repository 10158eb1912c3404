"""Shows who moved production, when, from which version to which, and why; oldest first."""

from __future__ import annotations

import argparse
import sys

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.deployment.promotion_log import Record, read_records
from pipeline.storage.layout import PROMOTION_LOG, REPORTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help=f"the lines of {PROMOTION_LOG}, with gates and hashes"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Prints the log of promotions to standard output."""
    records = [record for record in read_records(context.lake) if record.done]
    if not records:
        echo(f"history: nothing was promoted yet in {context.lake.url(REPORTS)}")
    elif arguments.json:
        sys.stdout.write("".join(record.line() for record in records))
    else:
        print_table(
            "Promotions",
            ("", "at", "action", "production", "by", "why"),
            map(cells, records),
            is_answer=True,
        )


def cells(record: Record) -> tuple[str, ...]:
    """A record as a row of the table."""
    what = record.move
    versions = what.to if what.origin == what.to else f"{what.origin or 'none'} -> {what.to}"
    return (
        str(record.number),
        record.at,
        record.action,
        versions,
        record.run_id or record.by,
        what.reason,
    )
