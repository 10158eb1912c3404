"""Check that the running predictors serve what this run promoted; otherwise roll back.

Waits until every predictor serves the new version. Then, for `deployment.watch_period_seconds`,
compares their predictions for the model's stored example rows with those of the registry's model,
and counts failed predictions. If a check fails, the version in `previous` returns to `production`,
the new version is tagged `rejected` with the reason, and the stage fails once the predictors serve
the old version.
"""

from __future__ import annotations

from typing import NoReturn

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.live_check import watch
from pipeline.deployment.moves import (
    REJECTED,
    get_number,
    name_version,
    print_aliases,
    resume_own_move,
)
from pipeline.deployment.predictor_client import find_replicas, wait_for_rollout
from pipeline.deployment.rollback import keep_production, roll_back
from pipeline.deployment.stopping import skip_if_stopped
from pipeline.errors import LakeError, PromotionError, StageSkipped, VerifyError
from pipeline.tracking.promotion_log import find_record
from pipeline.tracking.registry import PRODUCTION, Version


def run(context: Context) -> None:
    """Watch the promoted version, then record it as verified or roll back.

    Raises:
        StageSkipped: If this run promoted nothing, its version is no longer in production, or
            somebody has stopped the answers of the predictors.
        VerifyError: If the version is rejected.
    """
    lake, registry, run_id = context.lake, context.registry, context.run_id
    promoted = find_record(lake, run_id, "promote")
    if promoted is None:
        raise StageSkipped(f"run {run_id} promoted nothing")
    resume_own_move(context, "revert")
    version = registry.get_version(promoted.move.to)
    production = get_number(registry.get_by_alias(PRODUCTION))
    if REJECTED in version.tags:
        raise VerifyError(
            f"Version {version.number} is rejected: {version.tags[REJECTED]}. "
            f"`{PRODUCTION}` is {name_version(production)}."
        )
    if production != version.number:
        raise StageSkipped(
            f"`{PRODUCTION}` is {name_version(production)} now, no longer version {version.number}"
        )
    if find_record(lake, run_id, "verify"):
        echo(f"verify: this run has verified version {version.number} already")
        return

    skip_if_stopped(context, version.number)
    if problem := find_problem(context, version):
        skip_if_stopped(context, version.number)  # somebody stopped the answers meanwhile
        revert(context, version.number, problem)
    count = len(find_replicas(context.settings))
    who = "the predictor serves it" if count == 1 else f"{count} predictors serve it"
    reason = f"{who}, and the predictions match those of the registry's model"
    keep_production(context, "verify", reason)
    echo(f"verify: version {version.number} is live: {reason}")


def find_problem(context: Context, version: Version) -> str | None:
    """Find out whether the predictors serve a version, and serve it correctly.

    Args:
        context: The settings and the registry.
        version: The version in production.

    Returns:
        What is wrong, without a final period, or None.
    """
    try:
        bundle = context.registry.get_version_bundle(version)
    except LakeError as error:  # damaged since it was validated; no predictor loads it
        return str(error).removesuffix(".")
    late = wait_for_rollout(context.settings, version.number)
    return late or watch(context.settings, version.number, bundle)


def revert(context: Context, number: str, problem: str) -> NoReturn:
    """Return production to the version in `previous` and wait until the predictors serve it.

    Args:
        context: The run.
        number: Number of the version that failed.
        problem: What is wrong with it, without a final period.

    Raises:
        VerifyError: Always. The message has the problem and the version that is in production now.
    """
    failure = f"Version {number} failed its live checks: {problem}"
    try:
        record = roll_back(context, "revert", problem, expected=number)
    except PromotionError as error:
        keep_production(context, "alarm", f"{problem}. {error}")
        raise VerifyError(f"{failure}. {error}") from None
    print_aliases(record)
    restored = record.move.to
    late = wait_for_rollout(context.settings, restored)
    state = f"but {late}" if late else "which the predictors serve"
    raise VerifyError(
        f"{failure}. That version is rejected, and `{PRODUCTION}` is version {restored} again, "
        f"{state}."
    )
