"""Compares what the model sees now with what it learned from, and asks for retraining past the threshold.

The reference is the gold training set of the model that carries the alias `production`, found by that model's lineage. The
current rows are the live traffic of the last `drift.window_hours`, or of --since and --until, or with --silver a silver data
set. Writes `reports/<run_id>/drift_report.json`, `drift_report.html` (Evidently's) and `drift_page.html`, copies of them as
`reports/drift_report.json` and so on, and an MLflow run with each feature's score.

With --reference and --current two CSV or Parquet files are compared, with no lake and no registry, into the folder --out.

Exits with 0 when there is drift and retraining is asked for (with files: when there is drift), with 99 when there is none,
too few rows, or a cooldown, with 1 on an error.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.console import echo, print_table
from pipeline.context import Context, utc_now
from pipeline.drift import data as drift_data
from pipeline.drift import report as drift_report
from pipeline.drift import retraining as drift_retraining
from pipeline.drift.data import Dataset
from pipeline.drift.report import DRIFT, NONE, PREDICTION, TOO_FEW, Origin, Report
from pipeline.errors import LakeError, SettingsError, StageSkipped
from pipeline.storage.layout import (
    DRIFT_PAGE,
    DRIFT_REPORT,
    EVIDENTLY_PAGE,
    REPORTS,
    latest_report_file,
    report_file,
)
from pipeline.tracking.registry import PRODUCTION

RUN_ID_OPTIONAL = True
"""Two files are compared without a run."""


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
    live = parser.add_argument_group("current rows, of the lake")
    live.add_argument(
        "--since",
        type=_time,
        metavar="TIME",
        help="compare the traffic from this time on (ISO 8601)",
    )
    live.add_argument(
        "--until",
        type=_time,
        metavar="TIME",
        help="compare the traffic up to this time; default is now",
    )
    live.add_argument(
        "--silver",
        metavar="ID",
        help="compare the silver data set of this run instead of live traffic",
    )
    files = parser.add_argument_group("two files, without lake and registry")
    files.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="what the model learned from: CSV or .parquet",
    )
    files.add_argument(
        "--current", type=Path, metavar="FILE", help="what it sees now: CSV or .parquet"
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


@dataclass(frozen=True)
class Outcome:
    """A report, and its pages when there is a verdict."""

    report: Report
    pages: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        return {DRIFT_REPORT: self.report.to_bytes(), **self.pages}


def check_files(context: Context, reference: Path, current: Path, out: Path) -> None:
    """Compares two files into a folder.

    Raises:
        NothingToDo: no drift, or too few rows.
    """
    outcome = compare(context, drift_data.load_file(reference), drift_data.load_file(current))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in outcome.files.items():
            temporary = out / f".writing-{name}"
            temporary.write_bytes(data)
            temporary.replace(out / name)
    except OSError as error:
        raise LakeError(
            f"{error.filename} cannot be written: {error.strerror}; --out must name a folder that can be"
        ) from error
    show(outcome.report)
    echo(f"drift: wrote {', '.join(outcome.files)} into {out}")
    if outcome.report.verdict != DRIFT:
        raise StageSkipped(outcome.report.sentence)


def run(context: Context, window: Window = Window()) -> None:
    """Compares traffic (or a silver data set) with the production model's training rows.

    Raises:
        NothingToDo: no production model, no drift, too few rows, or retraining may not be asked for now.
    """
    settings, lake, registry = context.settings, context.lake, context.registry
    version = registry.get_by_alias(PRODUCTION)
    if version is None:
        raise StageSkipped(
            f"no version of {registry.name} carries the alias `{PRODUCTION}`; promote one first"
        )
    bundle = registry.get_version_bundle(version)
    reference, current = (
        drift_data.add_predictions(side, bundle)
        for side in (drift_data.load_gold(lake, bundle), _current(context, window))
    )
    at = datetime.now(UTC).replace(microsecond=0)
    refusal = drift_retraining.blocked_reason(lake, context.run_id, settings.drift, at)
    outcome = compare(
        context, reference, current, "asked for" if refusal is None else f"not asked for: {refusal}"
    )
    show(outcome.report)
    write(context, outcome)
    if outcome.report.verdict != DRIFT:
        raise StageSkipped(outcome.report.sentence)
    if refusal is not None:
        raise StageSkipped(f"{outcome.report.sentence} Retraining is not asked for: {refusal}")
    if not drift_retraining.request_retraining(lake, context.run_id, settings.drift, at):
        raise StageSkipped(
            "there is drift, and another check asked for the day's last retraining meanwhile"
        )
    echo("drift: retraining is asked for", "yellow")


def _current(context: Context, window: Window) -> Dataset:
    settings = context.settings
    if window.silver:
        return drift_data.load_silver(context.lake, window.silver)
    until = window.until or datetime.now(UTC)
    since = window.since or until - timedelta(hours=settings.drift.window_hours)
    if since >= until:
        raise SettingsError(
            f"--since {since.isoformat()} is not before --until {until.isoformat()}"
        )
    return drift_data.load_live_traffic(
        context.lake, since, until, settings.drift.max_rows, settings.seed
    )


def compare(
    context: Context, reference: Dataset, current: Dataset, retraining: str | None = None
) -> Outcome:
    """The report on two data sets; `retraining` is what it says of retraining when there is drift.

    Raises:
        SettingsError: a threshold is set for a column that is not compared.
    """
    from pipeline.drift.page import page

    settings = context.settings.drift
    unknown = set(settings.thresholds) - {*FEATURE_NAMES, PREDICTION, LABEL.name}
    if unknown:
        raise SettingsError(
            f"MLOPS_DRIFT__THRESHOLDS names {', '.join(sorted(unknown))}; the columns are "
            f"{', '.join((*FEATURE_NAMES, PREDICTION, LABEL.name))}"
        )
    origin = Origin(
        run_id=context.run_id, created=utc_now(), reference=reference.facts, current=current.facts
    ).model_dump()
    for which, side in (("reference", reference), ("current data", current)):
        if len(side.frame) < settings.min_rows:
            sentence = f"Not enough data: the {which} holds {len(side.frame):,} rows, a verdict needs {settings.min_rows:,}."
            return Outcome(Report(verdict=TOO_FEW, sentence=sentence, **origin), {})

    columns = drift_report.compared_columns(reference.frame, current.frame)
    found = drift_report.compare(
        reference.frame, current.frame, columns, settings, context.settings.seed
    )
    features = {name: column for name, column in found.columns.items() if name in FEATURE_NAMES}
    share = drift_report.drifted_fraction(features, settings.min_drifted_fraction)
    verdict = DRIFT if share.share >= share.bound else NONE
    report = Report(
        verdict=verdict,
        sentence=drift_report.sentence(verdict, share, features),
        share=share,
        features=features,
        prediction=found.columns.get(PREDICTION),
        label=found.columns.get(LABEL.name),
        computed_by=found.computed_by,
        page_sample=found.page_sample,
        retraining=retraining if verdict == DRIFT else None,
        **origin,
    )
    return Outcome(report, {EVIDENTLY_PAGE: found.page, DRIFT_PAGE: page(report)})


def write(context: Context, outcome: Outcome) -> None:
    """The run's reports, then those of the last verdict, then the MLflow run. Without a verdict only the run's report."""
    lake, report = context.lake, outcome.report
    for name, data in outcome.files.items():
        lake.write(report_file(context.run_id, name), data)
    if report.verdict == TOO_FEW:
        return
    for name, data in outcome.files.items():
        lake.write(latest_report_file(name), data)
    context.registry.upsert_run(
        f"drift-{context.run_id}",
        {
            "stage": "drift",
            "pipeline_run_id": context.run_id,
            "verdict": report.verdict,
            "mlflow.note.content": report.sentence,
        },
        drift_report.to_metrics(report),
        outcome.files,
    )
    echo(f"drift: wrote {', '.join(outcome.files)} into {lake.url(REPORTS)}")


def show(report: Report) -> None:
    """The report as a table."""
    others = {PREDICTION: report.prediction, LABEL.name: report.label}
    columns = {
        **report.features,
        **{name: column for name, column in others.items() if column is not None},
    }
    if columns:
        print_table(
            f"Drift: {report.reference['rows']:,} reference rows, {report.current['rows']:,} current rows",
            ("column", "reference", "current", "method", "score", "threshold", "verdict"),
            (
                (
                    name,
                    drift_report.format_summary(column.reference),
                    drift_report.format_summary(column.current),
                    column.method,
                    f"{column.statistic} {column.score:.4g}",
                    f"{'<' if column.statistic == 'p-value' else '>='} {column.threshold:g}",
                    "drifted" if column.drifted else "same",
                )
                for name, column in columns.items()
            ),
        )
    echo(report.sentence, "yellow" if report.verdict == DRIFT else None)


def _time(text: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
