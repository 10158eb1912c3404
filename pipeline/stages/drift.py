"""Compare the production model's training rows with current rows, and request retraining on drift.

The reference is the gold training split of the version with the alias `production`, found through
its lineage. The current rows are the live traffic of the last `drift.window_hours`, of --since to
--until, or, with --silver, a silver data set. The stage writes drift_report.json,
drift_report.html (Evidently's) and drift_page.html to the run's reports and as the latest reports,
and an MLflow run with each column's score.

With --reference, --current and --out it compares two CSV or Parquet files, without lake and
registry, and writes the same files to a folder.

If rows of a person that the production model learned from were erased, it requests retraining
without drift, too.

Exit codes: 0 if there is drift and retraining is requested (with two files: if there is drift),
99 if there is no drift, too few rows or a cooldown, 1 on an error.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.console import echo
from pipeline.context import Context
from pipeline.drift import data as drift_data
from pipeline.drift import report as drift_report
from pipeline.drift import retraining as drift_retraining
from pipeline.drift.data import Dataset
from pipeline.drift.files import load_file
from pipeline.drift.outcome import Outcome, compare_datasets
from pipeline.drift.page import page
from pipeline.drift.report import (
    DRIFT,
    TOO_FEW,
)
from pipeline.drift.summary import print_report
from pipeline.drift.tables import load_gold, load_silver
from pipeline.errors import LakeError, SettingsError, StageSkipped
from pipeline.model.bundle import Bundle
from pipeline.storage.layout import (
    DRIFT_PAGE,
    REPORTS,
    erased_model,
    latest_report_file,
    report_file,
)
from pipeline.tracking.promotion_chain import find_interrupted, verify_log
from pipeline.tracking.registry import PRODUCTION
from pipeline.tracking.runs import PIPELINE_RUN_TAG
from pipeline.tracking.stop_marker import read_stop

RUN_ID_OPTIONAL = True
"""Comparing two files needs no run."""


@dataclass(frozen=True)
class Window:
    """Which current rows are compared.

    Attributes:
        since: Start of the live traffic; by default `drift.window_hours` before `until`.
        until: End of the live traffic; by default now.
        silver: Run whose silver data set is compared instead of live traffic.
    """

    since: datetime | None = None
    until: datetime | None = None
    silver: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the stage to its parser."""
    window = parser.add_argument_group("current rows from the lake")
    window.add_argument(
        "--since", type=_time, metavar="TIME", help="start of the live traffic (ISO 8601)"
    )
    window.add_argument(
        "--until", type=_time, metavar="TIME", help="end of the live traffic; default: now"
    )
    window.add_argument(
        "--silver", metavar="ID", help="compare the silver data set of this run instead"
    )
    files = parser.add_argument_group("two files, without lake and registry")
    files.add_argument(
        "--reference", type=Path, metavar="FILE", help="rows the model learned from (CSV, .parquet)"
    )
    files.add_argument(
        "--current", type=Path, metavar="FILE", help="rows to compare with them (CSV, .parquet)"
    )
    files.add_argument("--out", type=Path, metavar="DIR", help="folder for the reports")


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Compare two files, or check the traffic of a run.

    Raises:
        SettingsError: If the arguments name neither, or only some of the files.
    """
    files = [arguments.reference, arguments.current, arguments.out]
    if all(files):
        check_files(context, arguments.reference, arguments.current, arguments.out)
    elif any(files):
        raise SettingsError(
            "--reference, --current and --out belong together. Give all three, or --run-id."
        )
    elif arguments.run_id is None:
        raise SettingsError(
            "drift needs --run-id ID, or --reference FILE --current FILE --out DIR."
        )
    else:
        run(context, Window(arguments.since, arguments.until, arguments.silver))


def check_files(context: Context, reference: Path, current: Path, out: Path) -> None:
    """Compare two files and write the reports to a folder.

    Args:
        context: The settings, and the id for the report.
        reference: CSV or Parquet file with the rows that the model learned from.
        current: CSV or Parquet file with the rows to compare with them.
        out: The folder.

    Raises:
        LakeError: If the folder cannot be written.
        StageSkipped: If there is no drift, or too few rows.
    """
    outcome = compare_datasets(context, load_file(reference), load_file(current))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in outcome.files.items():
            temporary = out / f".writing-{name}"
            temporary.write_bytes(data)
            temporary.replace(out / name)
    except OSError as error:
        raise LakeError(
            f"{error.filename} cannot be written: {error.strerror}. "
            "Let --out name a writable folder."
        ) from error
    print_report(outcome.report)
    echo(f"drift: wrote {', '.join(outcome.files)} into {out}")
    if outcome.report.verdict != DRIFT:
        raise StageSkipped(outcome.report.sentence)


def run(context: Context, window: Window = Window()) -> None:
    """Compare current rows with the production model's training rows.

    Args:
        context: The run.
        window: Which current rows to compare.

    Raises:
        StageSkipped: If there is no production model, no drift, too few rows, or retraining must
            not be requested now.
        PromotionError: If production was moved without a promotion record. The reports are written
            first.
    """
    settings, lake, registry = context.settings, context.lake, context.registry
    version = registry.get_by_alias(PRODUCTION)
    if version is None:
        raise StageSkipped(f"No version of {registry.name} has the alias `{PRODUCTION}`.")
    bundle = registry.get_version_bundle(version)
    reference, current = load_gold(context, bundle), _load_current(context, window, bundle)
    at = datetime.now(UTC).replace(microsecond=0)
    blocked = drift_retraining.blocked_reason(lake, context.run_id, settings.drift, at)
    retraining = "requested" if blocked is None else f"not requested: {blocked}"
    outcome = compare_datasets(context, reference, current, retraining, bundle.manifest)
    print_report(outcome.report)
    write(context, outcome)
    if settings.predictor.require_record:
        verify_log(lake, registry.get_by_alias(PRODUCTION))
        if interrupted := find_interrupted(lake):
            echo(f"drift: {interrupted}", "yellow")
    must_forget = lake.exists(erased_model(version.run_id))
    if must_forget:
        echo(
            f"drift: version {version.number} was trained on rows of a person whose rows were "
            "erased since",
            "yellow",
        )
    elif outcome.report.verdict == TOO_FEW and (stop := read_stop(lake)) is not None:
        raise StageSkipped(f"{outcome.report.sentence} {stop}")
    if outcome.report.verdict != DRIFT and not must_forget:
        raise StageSkipped(outcome.report.sentence)
    if blocked is not None:
        raise StageSkipped(f"{outcome.report.sentence} Retraining is not requested: {blocked}")
    if not drift_retraining.request_retraining(lake, context.run_id, settings.drift, at):
        raise StageSkipped(
            f"{outcome.report.sentence} Retraining is not requested: another check made the last "
            "request that is allowed today."
        )
    echo("drift: retraining requested", "yellow")


def _load_current(context: Context, window: Window, bundle: Bundle) -> Dataset:
    if window.silver:
        return load_silver(context, window.silver, bundle)
    settings = context.settings
    period = find_period(window, settings.drift.window_hours)
    found = drift_data.load_live_traffic(
        context.lake, *period, settings.drift.max_rows, settings.seed
    )
    return drift_data.add_predictions(found, bundle)


def find_period(window: Window, hours: float) -> tuple[datetime, datetime]:
    """Return the start and the end of the live traffic that is compared.

    Args:
        window: The start and the end, if they are given.
        hours: Length of the period if the start is not given.

    Raises:
        SettingsError: If it ends before it begins.
    """
    until = window.until or datetime.now(UTC)
    since = window.since or until - timedelta(hours=hours)
    if since >= until:
        raise SettingsError(
            f"--since {since.isoformat()} is not before --until {until.isoformat()}."
        )
    return since, until


def write(context: Context, outcome: Outcome) -> None:
    """Write the run's reports; with a verdict also the latest reports and the MLflow run."""
    lake, report = context.lake, outcome.report
    for name, data in outcome.files.items():
        lake.write(report_file(context.run_id, name), data)
    if report.verdict == TOO_FEW:
        return
    latest = dict(outcome.files) | {DRIFT_PAGE: page(report, reports="")}
    for name, data in latest.items():
        lake.write(latest_report_file(name), data)
    context.registry.upsert_run(
        f"drift-{context.run_id}",
        {
            "stage": "drift",
            PIPELINE_RUN_TAG: context.run_id,
            "verdict": report.verdict,
            "mlflow.note.content": report.sentence,
        },
        drift_report.to_metrics(report),
        outcome.files,
    )
    echo(f"drift: wrote {', '.join(outcome.files)} into {lake.url(REPORTS)}")


def _time(text: str) -> datetime:
    """Parse an ISO 8601 time; without an offset it is UTC."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
