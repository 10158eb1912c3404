"""Check that the running predictors serve what this run promoted; otherwise roll back.

Waits until every predictor serves the new version. Then, for `deployment.watch_period_seconds`,
compares their predictions for the model's stored example rows with those of the registry's model,
and counts failed predictions. If a check fails, the version in `previous` returns to `production`,
the new version is tagged `rejected` with the reason, and the stage fails once the predictors serve
the old version.
"""

from __future__ import annotations

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.live_check import watch
from pipeline.deployment.moves import keep_production, rollback_to
from pipeline.deployment.predictor_client import find_replicas, wait_for_rollout
from pipeline.deployment.promotion_log import (
    REJECTED,
    find_record,
    move,
    print_record,
    resume_own_move,
)
from pipeline.errors import LakeError, PromotionError, StageSkipped, VerifyError
from pipeline.tracking.registry import PRODUCTION, Version


def run(context: Context) -> None:
    """Watch the promoted version, then record it as verified or roll back.

    Raises:
        StageSkipped: If this run promoted nothing, or its version is no longer in production.
        VerifyError: If the version is rejected.
    """
    lake, registry, run_id = context.lake, context.registry, context.run_id
    promoted = find_record(lake, run_id, "promote")
    if promoted is None:
        raise StageSkipped(f"run {run_id} promoted nothing")
    resume_own_move(context, "revert", run_id)
    number = promoted.move.to
    version = registry.get_version(number)
    production = registry.get_by_alias(PRODUCTION)
    if REJECTED in version.tags:
        state = "no version" if production is None else f"version {production.number} again"
        raise VerifyError(
            f"version {number} was rejected and `{PRODUCTION}` is {state}: {version.tags[REJECTED]}"
        )
    if production is None or production.number != number:
        state = "no version" if production is None else f"version {production.number}"
        raise StageSkipped(f"`{PRODUCTION}` is {state} now and no longer version {number}")
    if find_record(lake, run_id, "verify"):
        echo(f"verify: this run has already verified version {number}")
        return

    problem = find_problem(context, version)
    if problem is not None:
        revert(context, number, problem)
    count = len(find_replicas(context.settings))
    who = "the predictor serves it" if count == 1 else f"{count} predictors serve it"
    reason = f"{who} with the predictions of the registry's model"
    move(context, "verify", keep_production(reason), run_id)
    echo(f"verify: version {number} is live: {reason}")


def find_problem(context: Context, version: Version) -> str | None:
    """Return what is wrong with the live version, or None."""
    try:
        bundle = context.registry.get_version_bundle(version)
    except LakeError as error:  # damaged since it was validated; no predictor loads it
        return str(error)
    late = wait_for_rollout(context.settings, version.number)
    return late or watch(context.settings, version.number, bundle)


def revert(context: Context, number: str, problem: str) -> None:
    """Return production to the version in `previous` and wait until the predictors serve it.

    Raises:
        VerifyError: Always. The message says what the problem was and what is in production now.
    """
    try:
        record = move(
            context, "revert", rollback_to(context, problem, expected=number), context.run_id
        )
    except PromotionError as error:
        move(context, "alarm", keep_production(f"{problem}; {error}"), context.run_id)
        raise VerifyError(f"{problem}; {error}") from None
    print_record(record)
    restored = record.move.to
    late = wait_for_rollout(context.settings, restored)
    state = late or "which the predictors serve"
    raise VerifyError(
        f"{problem}; version {number} is rejected and `{PRODUCTION}` is version {restored} again, "
        f"{state}"
    )
