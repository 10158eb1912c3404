"""Checks that the production model still passes on the newest labelled rows; if it surely does not, takes it back.

The rows are gold of the newest bronze, without those that the model learned from. A gate counts as failed when even the upper end
of the interval is below its bound: chance alone demotes nobody. Then `previous` becomes `production` again, if it passes on
rows of the same gold that are new to it; if not, production is kept and the stage fails, which is the alarm. The measurements
are written to `reports/<run_id>/demotion.json`.
"""

from __future__ import annotations

import pandas as pd

from pipeline.columns import LABEL
from pipeline.console import echo
from pipeline.context import Context, utc_now
from pipeline.deployment.moves import keep_production, rollback_to
from pipeline.deployment.predictor_client import wait_for_rollout
from pipeline.deployment.promotion_log import (
    find_record,
    get_aliases,
    move,
    print_record,
    resume_own_move,
)
from pipeline.errors import PromotionError, StageSkipped, VerifyError
from pipeline.evaluation import datasets, gates
from pipeline.model.arrays import feature_array, label_array
from pipeline.model.metrics import Predictions, compute_metrics
from pipeline.model.onnx import open_session, positive_probability
from pipeline.storage.artifacts import DemotionReport, VersionCheck
from pipeline.storage.layout import demotion_report
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, Version


def failures(check: VersionCheck) -> str:
    """Which gates the version fails; empty if it passes or cannot be judged."""
    return gates.describe_failures(check.gates or ())


def run(context: Context) -> None:
    """Judges production; keeps it, takes it back, or raises the alarm."""
    resume_own_move(context, "demote", context.run_id)
    if find_record(context.lake, context.run_id, "demote"):
        echo("demote: this run took production back already")
        return
    aliases = get_aliases(context.registry)
    if aliases.production is None:
        raise StageSkipped(f"no version is in `{PRODUCTION}`")
    found = datasets.load_newest_gold(context.lake)
    if found is None:
        raise StageSkipped("the newest bronze has no gold yet: run the training DAG first")
    gold_run, rows = found
    checks = [
        check(context, version, rows)
        for version in (aliases.production, aliases.previous)
        if version is not None
    ]
    context.lake.write_model(
        demotion_report(context.run_id), report(context.run_id, gold_run, checks)
    )
    decide(context, gold_run, checks)


def check(context: Context, version: Version, newest: pd.DataFrame) -> VersionCheck:
    """Judges a version on the rows of `newest` that it did not learn from: the upper ends of its metrics' intervals."""
    settings = context.settings
    bundle = context.registry.get_version_bundle(version)
    rows = datasets.drop_training_rows(context.lake, newest, bundle.manifest.lineage)
    label = label_array(rows)
    positives = int(label.sum())
    if positives < settings.deployment.min_positives or positives == len(rows):
        return VersionCheck(version=version.number, rows=len(rows), positives=positives, gates=None)
    probability = positive_probability(open_session(bundle), feature_array(rows))
    metrics = compute_metrics(
        label,
        Predictions(probability, bundle.manifest.threshold),
        settings.bootstrap_samples,
        settings.seed,
    )
    results = gates.evaluate_gates(
        settings.gates, "demote", {name: metric.high for name, metric in metrics.items()}
    )
    gates.print_gates(
        f"Version {version.number} on {len(rows):,} new rows: upper ends of the intervals", results
    )
    return VersionCheck(version=version.number, rows=len(rows), positives=positives, gates=results)


def decide(context: Context, gold_run: str, checks: list[VersionCheck]) -> None:
    """Acts on the checks: of production, and of `previous` if there is one."""
    production, previous = checks[0], checks[1] if len(checks) > 1 else None
    if production.gates is None:
        raise StageSkipped(
            f"only {production.positives} '{LABEL.positive}' rows of gold {gold_run} are new to version {production.version}, "
            f"{context.settings.deployment.min_positives} are needed to judge it"
        )
    if not failures(production):
        raise StageSkipped(
            f"version {production.version} still passes on the {production.rows:,} new rows of gold {gold_run}"
        )
    problem = f"on the newest rows (gold {gold_run}), at the upper ends of the intervals, {failures(production)}"
    if previous is None or previous.gates is None or failures(previous):
        state = (
            "there is none"
            if previous is None
            else failures(previous) or "too few rows are new to it to judge it"
        )
        kept = f"`{PREVIOUS}` cannot take its place ({state}), so it is kept; train anew"
        sentence = f"version {production.version} surely fails: {problem}; {kept}"
        move(context, "alarm", keep_production(sentence), context.run_id)
        raise PromotionError(sentence)
    record = move(
        context,
        "demote",
        rollback_to(context, problem, production.version, previous.version),
        context.run_id,
    )
    print_record(record)
    echo(
        f"demote: version {production.version} is demoted, version {record.move.to} is in `{PRODUCTION}` again: {problem}"
    )
    if late := wait_for_rollout(context.settings, record.move.to):
        raise VerifyError(f"version {record.move.to} is in `{PRODUCTION}` again, but {late}")


def report(run_id: str, gold_run: str, checks: list[VersionCheck]) -> DemotionReport:
    """The report of the checks: of production, and of `previous` if there is one."""
    return DemotionReport(
        run_id=run_id,
        created_at=utc_now(),
        gold=gold_run,
        production=checks[0],
        previous=checks[1] if checks[1:] else None,
    )
