"""List what is kept in each layer, since when, until when and why.

Rows and persons are those that the manifests count. The rows of a layer are the sum over all runs;
the persons are those of the run that has the most. The options add what Airflow keeps, as the
chart's CronJob does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.console import print_table
from pipeline.context import Context
from pipeline.erasure.models import read_manifest
from pipeline.retention.counts import Counts, count_rows
from pipeline.retention.format import format_day, format_size
from pipeline.retention.needs import find_needs
from pipeline.retention.rules import Item, judge_lake, list_models
from pipeline.retention.tracked_runs import TrackedRun, judge_runs
from pipeline.tracking.registry import MANIFEST_TAG, Registry, Version

HEADER = ("layer", "what", "objects", "size", "rows", "persons", "oldest", "newest", "kept")


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Items of a kind that are kept for the same reason.

    Attributes:
        layer: Layer of the lake, MLflow or Airflow.
        what: Kind of the items.
        number: Number of items.
        objects: Number of their objects, without older versions.
        bytes: Size of all versions of the objects.
        rows: Number of rows; None if it is unknown.
        persons: Largest number of persons in an item; None if it is unknown.
        oldest: Day of the oldest object.
        newest: Day of the newest object.
        kept: Why, and how long.
        next_deletion: Day on which the first of them expires; empty if no date is known.
    """

    layer: str
    what: str
    number: int
    objects: int = 0
    bytes: int = 0
    rows: int | None = None
    persons: int | None = None
    oldest: str = ""
    newest: str = ""
    kept: str
    next_deletion: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--json", action="store_true", help="print a JSON array instead")
    parser.add_argument(
        "--airflow-days",
        type=int,
        metavar="DAYS",
        help="list what Airflow keeps for so many days (the chart's value retention.airflowDays)",
    )
    parser.add_argument(
        "--airflow-logs", type=Path, metavar="FOLDER", help="folder with Airflow's task logs"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Print what is kept.

    Raises:
        LakeError: If the lake cannot be read.
        RegistryError: If MLflow does not respond.
    """
    now, settings = datetime.now(UTC), context.settings
    needs = find_needs(context.lake, context.registry, settings.retention)
    items = [*list_models(context.lake), *judge_lake(context.lake, needs, settings, now)]
    groups: dict[tuple[str, str, str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.layer, item.kind, item.verdict.reason].append(item)
    holdings = [
        _summarize(group, [count_rows(context.lake, item) for item in group])
        for group in groups.values()
    ]
    holdings += _list_bundles_with_rows(context.registry)
    holdings += _summarize_runs(judge_runs(context.registry, needs, settings.retention, now))
    holdings += _summarize_versions(needs.versions, settings.retention.versions)
    if arguments.airflow_days is not None:
        holdings += _list_airflow(arguments.airflow_days, arguments.airflow_logs)
    holdings.sort(key=lambda one: (one.layer, one.what, one.kept))
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(one) for one in holdings], indent=2) + "\n")
    else:
        _show(holdings)


def _summarize(items: Sequence[Item], counts: Sequence[Counts]) -> Holding:
    first = items[0]
    objects = [one for item in items for one in item.objects]
    times = [one.modified for item in items for one in item.versions]
    rows = [count.rows for count in counts if count.rows is not None]
    persons = [count.persons for count in counts if count.persons is not None]
    return Holding(
        layer=first.layer,
        what=first.kind,
        number=len(items),
        objects=len(objects),
        bytes=sum(item.size for item in items),
        rows=sum(rows) if rows else None,
        persons=max(persons) if persons else None,
        oldest=format_day(min(times)),
        newest=format_day(max(times)),
        kept=first.verdict.reason,
        next_deletion=_find_first([item.verdict.until for item in items]),
    )


def _list_bundles_with_rows(registry: Registry) -> list[Holding]:
    """Name the registered versions whose bundles have rows of the training data."""
    manifests = {
        one.number: read_manifest(registry, one)
        for one in registry.list_versions()
        if MANIFEST_TAG in one.tags
    }
    return [
        Holding(
            layer="MLflow",
            what=f"rows in the bundle of version {number}",
            number=1,
            rows=len(manifest.background) + len(manifest.examples.inputs),
            oldest=manifest.created[:10],
            newest=manifest.created[:10],
            kept="as long as the version, made by an earlier release (MLOPS_RETENTION__VERSIONS)",
        )
        for number, manifest in manifests.items()
        if not manifest.has_no_rows
    ]


def _summarize_runs(runs: Sequence[TrackedRun]) -> list[Holding]:
    groups: dict[str, list[TrackedRun]] = defaultdict(list)
    for run in runs:
        groups[run.verdict.reason].append(run)
    return [
        Holding(
            layer="MLflow",
            what="run",
            number=len(group),
            oldest=format_day(min(run.started for run in group)),
            newest=format_day(max(run.started for run in group)),
            kept=reason,
            next_deletion=_find_first([run.verdict.until for run in group]),
        )
        for reason, group in groups.items()
    ]


def _summarize_versions(versions: Sequence[Version], newest: int) -> list[Holding]:
    """The versions in MLflow's registry."""
    if not versions:
        return []
    created = [version.created for version in versions if version.created]
    variable = "MLOPS_RETENTION__VERSIONS"
    kept = f"those with an alias and the newest {newest} ({variable})"
    return [
        Holding(
            layer="MLflow",
            what="registered version",
            number=len(versions),
            oldest=format_day(min(created, default=None)),
            newest=format_day(max(created, default=None)),
            kept=kept if newest else f"kept: {variable} is 0",
        )
    ]


def _read_statuses(folder: Path) -> Iterator[os.stat_result]:
    """The status of each file in a folder. Airflow may delete files and folders meanwhile."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(parent, name).stat()


def _list_airflow(days: int, folder: Path | None) -> list[Holding]:
    """What Airflow keeps. Its database cannot be read from here, so no day is known of it."""
    logs = list(_read_statuses(folder)) if folder else []
    times = [datetime.fromtimestamp(log.st_mtime, UTC) for log in logs]
    ends = [time + timedelta(days=days) for time in times] if days else []
    kept = (
        f"for {days} days (retention.airflowDays)" if days else "kept: retention.airflowDays is 0"
    )
    database = Holding(
        layer="Airflow",
        what="runs and tasks, in its database",
        number=0,
        kept=kept,
    )
    files = Holding(
        layer="Airflow",
        what="task logs, in the volume of its scheduler",
        number=len(logs),
        objects=len(logs),
        bytes=sum(log.st_size for log in logs),
        oldest=format_day(min(times, default=None)),
        newest=format_day(max(times, default=None)),
        kept=kept,
        next_deletion=_find_first(ends),
    )
    return [database, files]


def _find_first(times: Sequence[datetime | None]) -> str:
    """The day of the first time; empty if there is none."""
    return format_day(min((time for time in times if time), default=None))


def _show(holdings: Sequence[Holding]) -> None:
    rows = [
        (
            one.layer,
            one.what,
            f"{one.objects:,}" if one.objects else "",
            format_size(one.bytes) if one.objects else "",
            "" if one.rows is None else f"{one.rows:,}",
            "" if one.persons is None else f"{one.persons:,}",
            one.oldest,
            one.newest,
            one.kept,
            one.next_deletion,
        )
        for one in holdings
    ]
    print_table("What is kept", (*HEADER, "next deletion"), rows, is_answer=True)
