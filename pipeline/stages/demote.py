"""Checks that the production model still passes on the newest labelled rows; if it surely does not, takes it back.

The rows are gold of the newest bronze, without those that the model learned from. A gate counts as failed when even the upper end
of the interval is below its bound: chance alone demotes nobody. Then `previous` becomes `production` again, if it passes on
rows of the same gold that are new to it; if not, production is kept and the stage fails, which is the alarm. The measurements
are written to `reports/<run_id>/demotion.json`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.console import say
from pipeline.context import Context, now
from pipeline.deployment.moves import back, stay
from pipeline.deployment.predictor_client import wait_until_served
from pipeline.deployment.promotion_log import aliases_of, finish, move, record_of, show
from pipeline.errors import NothingToDo, PromotionError, VerifyError
from pipeline.evaluation import datasets, gates
from pipeline.model.bundle import GateResult
from pipeline.model.metrics import Scored, metrics_of
from pipeline.model.onnx import fail_probability, open_session
from pipeline.tracking.registry import MANIFEST_TAG, PREVIOUS, PRODUCTION, Version


@dataclass(frozen=True)
class Check:
    """How a version did on the rows that are new to it."""

    version: str
    rows: int
    positives: int
    gates: list[GateResult] | None
    """None: the positives are too few to judge."""

    @property
    def problem(self) -> str:
        return gates.failed(self.gates or ())


def run(context: Context) -> None:
    """Judges production; keeps it, takes it back, or raises the alarm."""
    finish(context, "demote", context.run_id)
    if record_of(context.lake, context.run_id, "demote"):
        say("demote: this run took production back already")
        return
    aliases = aliases_of(context.registry)
    if aliases.production is None:
        raise NothingToDo(f"no version is in `{PRODUCTION}`")
    found = datasets.newest(context.lake)
    if found is None:
        raise NothingToDo("the newest bronze has no gold yet: run the training DAG first")
    gold_run, rows = found
    checks = [check(context, version, rows) for version in (aliases.production, aliases.previous) if version is not None]
    context.lake.write_json(f"reports/{context.run_id}/demotion.json", report(context.run_id, gold_run, checks))
    decide(context, gold_run, checks)


def check(context: Context, version: Version, newest: pd.DataFrame) -> Check:
    """Judges a version on the rows of `newest` that it did not learn from: the upper ends of its metrics' intervals."""
    settings = context.settings
    bundle = context.registry.bundle(version.run_id, version.tags.get(MANIFEST_TAG))
    rows = datasets.unseen(context.lake, newest, bundle.manifest.lineage)
    label = rows[LABEL.name].to_numpy()
    positives = int(label.sum())
    if positives < settings.deployment.min_positives or positives == len(rows):
        return Check(version.number, len(rows), positives, None)
    probability = fail_probability(open_session(bundle), rows[list(FEATURE_NAMES)].to_numpy(float))
    metrics = metrics_of(
        label, Scored(probability, bundle.manifest.threshold), settings.deployment.bootstrap_samples, settings.seed
    )
    results = gates.judge(settings.gates, "demote", {name: metric.high for name, metric in metrics.items()})
    gates.show(f"Version {version.number} on {len(rows):,} new rows: upper ends of the intervals", results)
    return Check(version.number, len(rows), positives, results)


def decide(context: Context, gold_run: str, checks: list[Check]) -> None:
    """Acts on the checks: of production, and of `previous` if there is one."""
    production, previous = checks[0], checks[1] if len(checks) > 1 else None
    if production.gates is None:
        raise NothingToDo(
            f"only {production.positives} '{LABEL.positive}' rows of gold {gold_run} are new to version {production.version}, "
            f"{context.settings.deployment.min_positives} are needed to judge it"
        )
    if not production.problem:
        raise NothingToDo(f"version {production.version} still passes on the {production.rows:,} new rows of gold {gold_run}")
    problem = f"on the newest rows (gold {gold_run}), at the upper ends of the intervals, {production.problem}"
    if previous is None or previous.gates is None or previous.problem:
        state = "there is none" if previous is None else previous.problem or "too few rows are new to it to judge it"
        kept = f"`{PREVIOUS}` cannot take its place ({state}), so it is kept; train anew"
        sentence = f"version {production.version} surely fails: {problem}; {kept}"
        move(context, "alarm", stay(sentence), context.run_id)
        raise PromotionError(sentence)
    record = move(context, "demote", back(context, problem, production.version, previous.version), context.run_id)
    show(record)
    say(f"demote: version {production.version} is demoted, version {record.move.to} is in `{PRODUCTION}` again: {problem}")
    if late := wait_until_served(context.settings, record.move.to):
        raise VerifyError(f"version {record.move.to} is in `{PRODUCTION}` again, but {late}")


def report(run_id: str, gold_run: str, checks: list[Check]) -> dict[str, object]:
    """What people read."""
    judged = [
        {
            "version": each.version,
            "rows": each.rows,
            "positives": each.positives,
            "gates": None if each.gates is None else [gate.model_dump() for gate in each.gates],
        }
        for each in checks
    ]
    return {
        "run_id": run_id,
        "at": now(),
        "gold": gold_run,
        "production": judged[0],
        "previous": judged[1] if judged[1:] else None,
    }
