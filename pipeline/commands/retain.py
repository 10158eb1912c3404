"""Delete what is no longer needed: old runs, raw files, uploads and live traffic.

What a registered model, an open challenge or the next check needs is kept. `--dry-run` deletes
nothing and prints what would be deleted, and why. The command can be killed and run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.retention.format import format_day, format_size
from pipeline.retention.needs import Needs, find_needs
from pipeline.retention.rules import Item, judge_lake
from pipeline.retention.tracked_runs import TrackedRun, delete_runs, judge_runs

MAX_LEFTOVER_AGE = timedelta(days=1)
"""Older temporary files are those of killed processes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--dry-run", action="store_true", help="delete nothing, print what would be deleted"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Delete what has expired.

    Raises:
        LakeError: If the lake cannot be read, or refuses a deletion.
        RegistryError: If MLflow does not respond. Nothing is deleted then.
    """
    now = datetime.now(UTC)
    settings, registry = context.settings, context.registry
    needs = find_needs(context.lake, registry, settings.retention)
    items = [
        item
        for item in judge_lake(context.lake, needs, settings, now)
        if item.verdict.is_expired and item.versions
    ]
    runs = [
        run
        for run in judge_runs(registry, needs, settings.retention, now)
        if run.verdict.is_expired
    ]
    if not (items or runs or needs.old_versions):
        echo("retain: nothing has expired")
    else:
        _show(items, runs, needs, is_answer=arguments.dry_run)
    if arguments.dry_run:
        return
    _delete(context, items, runs, needs)
    if leftovers := context.lake.delete_leftovers(now - MAX_LEFTOVER_AGE):
        echo(f"retain: deleted {leftovers:,} temporary files of killed processes")


def _show(
    items: Sequence[Item], runs: Sequence[TrackedRun], needs: Needs, *, is_answer: bool
) -> None:
    """Print what is deleted, and why."""
    rows = [
        (
            item.layer,
            f"{item.kind} {item.name[:12] if item.kind == 'raw file' else item.name}",
            f"{len(item.versions):,}",
            format_size(item.size),
            format_day(min(one.modified for one in item.versions)),
            item.verdict.reason,
        )
        for item in items
    ]
    rows += [
        ("MLflow", f"run {run.name}", "", "", format_day(run.started), run.verdict.reason)
        for run in runs
    ]
    rows += [
        ("MLflow", f"version {one.number}", "", "", "", "MLOPS_RETENTION__VERSIONS newer ones")
        for one in needs.old_versions
    ]
    title = "Would be deleted" if is_answer else "Deleted"
    header = ("layer", "what", "objects", "size", "oldest", "kept no longer than")
    print_table(title, header, rows, is_answer=is_answer)


def _delete(
    context: Context, items: Sequence[Item], runs: Sequence[TrackedRun], needs: Needs
) -> None:
    """Delete versions, their runs, and then what they were made from."""
    for version in needs.old_versions:
        context.registry.delete_version(version.number)
    gone = delete_runs(context.registry, list(runs))
    if runs and not gone:
        echo(
            f"retain: {len(runs):,} MLflow runs are marked as deleted; `mlflow gc` on the server "
            "deletes their files"
        )
    for item in items:
        for one in reversed(item.versions):  # an older version must not become the current one
            context.lake.erase(one.key, one.version)
    if items:
        count = sum(len(item.versions) for item in items)
        size = format_size(sum(item.size for item in items))
        echo(f"retain: deleted {count:,} objects, {size}")
