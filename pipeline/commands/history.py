"""Show who moved production, when, from which version to which, and why; the oldest move first."""

from __future__ import annotations

import argparse
import sys

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.data.pseudonyms import find_pseudonyms
from pipeline.erasure.tombstones import describe_erased, read_tombstones
from pipeline.errors import SettingsError
from pipeline.storage.layout import PROMOTION_LOG, REPORTS
from pipeline.tracking.promotion_chain import find_interrupted, verify_log
from pipeline.tracking.promotion_log import Record, read_records
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
        LakeError: If `--verify` is given and a tombstone of erased rows was changed.
        SettingsError: If there are tombstones, and no secret to verify them.
    """
    if arguments.verify:
        number = verify_log(context.lake, context.registry.get_by_alias(PRODUCTION))
        sys.stdout.write(f"history: {number} records, complete and unchanged\n")
        if interrupted := find_interrupted(context.lake):
            echo(f"history: {interrupted}", "yellow")
        _verify_erasures(context)
        return
    records = [record for record in read_records(context.lake) if record.done]
    if not records:
        echo(f"history: {context.lake.url(REPORTS)} has no promotions yet")
    elif arguments.json:
        sys.stdout.write("".join(record.to_line() for record in records))
    else:
        header = ("", "time", "action", "production", "by", "reason")
        print_table("Promotions", header, map(format_row, records), is_answer=True)


def _verify_erasures(context: Context) -> None:
    """Check the tombstones, and print of which objects rows were erased, and when."""
    pseudonyms = find_pseudonyms(context.settings)
    tombstones = read_tombstones(context.lake, pseudonyms.sign if pseudonyms else None)
    if tombstones and pseudonyms is None:
        raise SettingsError(
            f"the signatures of {len(tombstones)} tombstones of erased rows cannot be checked "
            "without the secret of the pseudonyms. On a cluster, run the command in the pod "
            "`erasure.json`, which has it; elsewhere set MLOPS_INGEST__KEY_SECRET"
        )
    for line in describe_erased(tombstones):
        sys.stdout.write(f"history: {line}\n")
    if tombstones:
        sys.stdout.write(f"history: {len(tombstones)} tombstones of erased rows, signed\n")


def format_row(record: Record) -> tuple[str, ...]:
    """Format a record as a row of the table."""
    origin, to = record.move.origin, record.move.to
    return (
        str(record.number),
        record.started_at,
        record.action,
        to if origin == to else f"{origin or 'none'} -> {to}",
        record.owner,
        record.move.describe(),
    )
