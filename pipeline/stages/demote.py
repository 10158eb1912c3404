"""Check that the production model still passes on the newest labelled rows; otherwise roll back.

The rows are the gold data of the newest raw file, without the rows that the model was trained on.
A gate fails only if the whole interval of its metric is on the wrong side of the bound, so that
chance does not demote a model. If the production model fails and the version in `previous` passes
on the same rows (without its own training rows), `previous` returns to `production`. If `previous`
does not pass either, production stays as it is and the stage fails. The measurements are written
to `reports/<run_id>/demotion.json`.
"""

from __future__ import annotations

import pandas as pd

from pipeline.columns import LABEL
from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import get_aliases, print_aliases, resume_own_move
from pipeline.deployment.predictor_client import wait_for_rollout
from pipeline.deployment.rollback import keep_production, roll_back
from pipeline.errors import PromotionError, StageSkipped, VerifyError
from pipeline.evaluation import datasets, gates
from pipeline.evaluation.judge import judge
from pipeline.evaluation.measurements import GateInputs
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.storage.artifacts.deployment import DemotionReport, VersionCheck
from pipeline.storage.layout import demotion_report
from pipeline.times import utc_now
from pipeline.tracking.promotion_log import find_record
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, Version


def run(context: Context) -> None:
    """Check the versions in `production` and `previous`, and roll back or raise the alarm.

    Raises:
        StageSkipped: If production passes, or there is nothing to judge it on.
        PromotionError: If production fails and cannot be replaced.
        VerifyError: If the predictors do not serve the version that production returned to.
    """
    lake, run_id = context.lake, context.run_id
    resume_own_move(context, "demote")
    if find_record(lake, run_id, "demote"):
        echo("demote: this run has demoted the production model already")
        return
    aliases = get_aliases(context.registry)
    if aliases.production is None:
        raise StageSkipped(f"no version is in `{PRODUCTION}`")
    gold = datasets.find_newest_gold(lake)
    if gold is None:
        raise StageSkipped("the newest raw file has no gold data yet; run the training DAG first")
    rows = datasets.read_gold(lake, gold)
    total = sum(facts.rows for facts in gold.splits.values())
    for sample in datasets.describe_sample(len(rows), total, f"rows of gold {gold.run_id}"):
        echo(f"demote: {sample}")
    production = check_version(context, aliases.production, rows)
    previous = check_version(context, aliases.previous, rows) if aliases.previous else None
    report = DemotionReport(
        run_id=run_id,
        created_at=utc_now(),
        gold=gold.run_id,
        production=production,
        previous=previous,
    )
    lake.write_model(demotion_report(run_id), report)
    act(context, report)


def check_version(context: Context, version: Version, newest: pd.DataFrame) -> VersionCheck:
    """Evaluate the gates of a version on new rows, at the upper ends of its metrics' intervals.

    Args:
        context: The lake, the registry and the settings.
        version: The version.
        newest: The newest labelled rows; those that the version was trained on do not count.

    Returns:
        The gates, or None for them if the rows have too few positives.
    """
    settings = context.settings
    bundle = context.registry.get_version_bundle(version)
    rows = datasets.drop_training_rows(context.lake, newest, bundle.manifest.lineage)
    positives = int(rows[LABEL.name].sum())
    if positives < settings.deployment.min_positives or positives == len(rows):
        return VersionCheck(version=version.number, rows=len(rows), positives=positives, gates=None)
    results = judge("demote", GateInputs(settings, SplitPredictions(bundle, rows))).results
    gates.print_gates(f"Version {version.number} on {len(rows):,} new rows", "demote", results)
    return VersionCheck(version=version.number, rows=len(rows), positives=positives, gates=results)


def act(context: Context, report: DemotionReport) -> None:
    """Keep production, roll back, or raise the alarm, whichever the report demands.

    Args:
        context: The run.
        report: How production and `previous` do on the newest rows.

    Raises:
        StageSkipped: If production stays: it passes, or too few rows are new to it.
        PromotionError: If production fails and `previous` cannot replace it.
        VerifyError: If production was rolled back and the predictors do not serve the other
            version in time.
    """
    production, previous = report.production, report.previous
    if production.gates is None:
        minimum = context.settings.deployment.min_positives
        raise StageSkipped(
            f"only {production.positives} '{LABEL.positive}' rows of gold {report.gold} are new "
            f"to version {production.version}; the minimum is {minimum}"
        )
    failures = gates.describe_failures(production.gates)
    if not failures:
        raise StageSkipped(
            f"version {production.version} still passes on the {production.rows:,} new rows of "
            f"gold {report.gold}"
        )
    problem = f"at the upper interval ends on the newest rows (gold {report.gold}), {failures}"
    if obstacle := _find_obstacle(previous):
        alarm = (
            f"Version {production.version} fails: {problem}. It stays in `{PRODUCTION}`, because "
            f"`{PREVIOUS}` cannot replace it: {obstacle}. Train a new model."
        )
        keep_production(context, "alarm", alarm)
        raise PromotionError(alarm)
    assert previous is not None
    record = roll_back(
        context,
        "demote",
        problem,
        expected=production.version,
        to=previous.version,
    )
    print_aliases(record)
    restored = record.move.to
    echo(
        f"demote: version {production.version} is rejected and version {restored} is in "
        f"`{PRODUCTION}` again: {problem}"
    )
    if late := wait_for_rollout(context.settings, restored):
        raise VerifyError(f"Version {restored} is in `{PRODUCTION}` again, but {late}.")


def _find_obstacle(previous: VersionCheck | None) -> str:
    """Return why production cannot return to `previous`; empty if it can."""
    if previous is None:
        return "there is no such version"
    if previous.gates is None:
        return f"too few rows are new to version {previous.version}"
    return gates.describe_failures(previous.gates)
