"""Makes sure that the live predictors serve what this run promoted, and serve it well; else puts `previous` back.

Every address of the predictor's URL is asked until all serve the new version. Their answers to the model's stored rows are
compared with the registry's model, and their error counters are watched for a while. If any of it fails, `previous` becomes
`production` again, the version is tagged `rejected` with the reason, and the stage fails once the predictors serve the
old version.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.columns import FEATURES
from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import keep_production, rollback_to
from pipeline.deployment.predictor_client import (
    Refused,
    Replica,
    Unreachable,
    find_replicas,
    request_all,
    wait_for_rollout,
)
from pipeline.deployment.promotion_log import (
    REJECTED,
    find_record,
    move,
    print_record,
    resume_own_move,
)
from pipeline.errors import LakeError, PromotionError, StageSkipped, VerifyError
from pipeline.model.bundle import Bundle
from pipeline.model.decision import label_name
from pipeline.model.onnx import open_session, positive_probability
from pipeline.tracking.registry import PRODUCTION, Version

PREDICT = "/predict?log=false"
"""These rows are nobody's: they are not to count as live traffic."""


def run(context: Context) -> None:
    """Watches, then records that the version holds, or takes it back."""
    lake, registry, run_id = context.lake, context.registry, context.run_id
    promoted = find_record(lake, run_id, "promote")
    if promoted is None:
        raise StageSkipped(f"run {run_id} promoted nothing")
    resume_own_move(context, "revert", run_id)
    number = promoted.move.to
    version = registry.get_version(number)
    current = registry.get_by_alias(PRODUCTION)
    if REJECTED in version.tags:
        live = "no version" if current is None else f"version {current.number} again"
        raise VerifyError(
            f"version {number} was rejected and `{PRODUCTION}` is {live}: {version.tags[REJECTED]}"
        )
    if current is None or current.number != number:
        raise StageSkipped(
            f"`{PRODUCTION}` is version {current.number if current else 'none'} by now, no longer {number}"
        )
    if find_record(lake, run_id, "verify"):
        echo(f"verify: version {number} was verified by this run already")
        return

    problem = find_problem(context, version)
    if problem is not None:
        revert(context, number, problem)
    count = len(find_replicas(context.settings))
    who = (
        "the predictor serves it and answers"
        if count == 1
        else f"{count} predictors serve it and answer"
    )
    reason = f"{who} as the registry's model does"
    move(context, "verify", keep_production(reason), run_id)
    echo(f"verify: version {number} is live: {reason}")


def find_problem(context: Context, version: Version) -> str | None:
    """What is wrong with the live version, or None."""
    try:
        bundle = context.registry.get_version_bundle(version)
    except LakeError as damaged:  # since validate read it; no predictor takes it
        return str(damaged)
    return wait_for_rollout(context.settings, version.number) or watch(
        context, version.number, bundle
    )


def watch(context: Context, number: str, bundle: Bundle) -> str | None:
    """Asks every predictor for the stored rows again and again for `watch_period_seconds`; a sentence on what is wrong, or None.

    Predictors come and go: one that does not answer, or lags behind, is asked again for up to `rollout_timeout_seconds` more. The last look
    must find all of them well.
    """
    settings = context.settings.deployment
    expected = positive_probability(open_session(bundle), bundle.manifest.examples.inputs)
    counted = request_all(find_replicas(context.settings), Replica.errors)
    errors = 0.0
    end = time.monotonic() + settings.watch_period_seconds
    while True:
        asked = find_replicas(context.settings)
        answers = request_all(
            asked,
            lambda replica: disagreement(
                replica, number, bundle, expected, settings.answer_tolerance
            ),
        )
        counts = request_all(asked, Replica.errors)
        errors += sum(new_errors(counted.get(replica), count) for replica, count in counts.items())
        counted |= counts
        away = [
            str(answer)
            for answer in [*answers.values(), *counts.values()]
            if isinstance(answer, Unreachable)
        ]
        wrong = [str(answer) for answer in answers.values() if isinstance(answer, (str, Refused))]
        if wrong:
            return wrong[0]
        if errors > settings.max_failed_predictions:
            return f"{errors:.0f} predictions failed after version {number} went live, {settings.max_failed_predictions} are allowed"
        if time.monotonic() > end and asked and not away:
            return None
        if time.monotonic() > end + settings.rollout_timeout_seconds:
            return away[0] if away else f"no predictor is left at {context.settings.predictor.url}"
        time.sleep(settings.poll_interval_seconds)


def new_errors(last: float | Unreachable | None, count: float | Unreachable) -> float:
    """Errors since the last look: none at the first one; all of a process that started anew, and counts from zero."""
    if last is None or isinstance(last, Unreachable) or isinstance(count, Unreachable):
        return 0.0
    return count - last if count >= last else count


def disagreement(
    replica: Replica, number: str, bundle: Bundle, expected: Any, tolerance: float
) -> str | None:
    """How a predictor's answers to the stored rows differ from the registry's model, or None.

    Raises:
        Unreachable: it does not answer now, or with another version.
    """
    inputs, threshold = bundle.manifest.examples.inputs, bundle.manifest.threshold
    answer = replica.request_json(PREDICT, [as_request(row) for row in inputs])
    try:
        served = str(answer["model"]["version"])
        got = np.array([float(each["fail_probability"]) for each in answer["predictions"]])
        labels = [each["label"] for each in answer["predictions"]]
    except (KeyError, TypeError, ValueError) as error:
        return f"/predict of {replica.address} did not answer predictions: {error!r}"
    if served != number:  # a process that has just started, say
        raise Unreachable(
            f"/predict of {replica.address} answered with version {served}, not {number}"
        )
    if len(got) != len(inputs):
        return f"/predict of {replica.address} answered {len(got)} rows of {len(inputs)}"
    difference = float(np.max(np.abs(got - expected), initial=0.0))
    if not difference <= tolerance:  # NaN too
        return f"/predict of {replica.address} is {difference:.3g} off the registry's version {number}, {tolerance:g} is allowed"
    for row, probability, label in zip(inputs, expected, labels, strict=True):
        near = abs(probability - threshold) <= tolerance
        if not near and label != label_name(probability, threshold):
            return f"/predict of {replica.address} calls {row} {label!r} at {probability:.4g}, the threshold is {threshold:.4g}"
    return None


def as_request(row: Sequence[float]) -> dict[str, float | int]:
    """A stored row as `/predict` takes it; categories by their codes."""
    return {
        feature.name: int(value) if feature.is_integer else value
        for feature, value in zip(FEATURES, row, strict=True)
    }


def revert(context: Context, number: str, problem: str) -> None:
    """Puts `previous` back and waits until it is served.

    Raises:
        VerifyError: always; it says what was wrong, and what is in production now.
    """
    try:
        record = move(
            context, "revert", rollback_to(context, problem, expected=number), context.run_id
        )
    except PromotionError as stuck:
        move(context, "alarm", keep_production(f"{problem}; {stuck}"), context.run_id)
        raise VerifyError(f"{problem}; {stuck}") from None
    print_record(record)
    waiting = wait_for_rollout(context.settings, record.move.to)
    restored = f"version {number} is rejected and `{PRODUCTION}` is version {record.move.to} again"
    raise VerifyError(f"{problem}; {restored}, {waiting or 'which the predictors serve'}")
