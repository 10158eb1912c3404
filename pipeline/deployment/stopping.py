"""Stop the answers of all predictors, and resume them, with a record of each.

The marker takes effect, and the record explains it. To stop, the marker is written first: this
works while MLflow is down. To resume, it is deleted last, so that no answer resumes without a
record.
"""

from __future__ import annotations

import re

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import get_user
from pipeline.deployment.predictor_client import (
    Replica,
    Unreachable,
    find_replicas,
    request_all,
)
from pipeline.deployment.rollback import keep_production
from pipeline.errors import LakeError, PromotionError, StageSkipped, VerifyError
from pipeline.polling import poll_until
from pipeline.settings import Settings
from pipeline.storage.layout import STOP_MARKER
from pipeline.times import utc_now
from pipeline.tracking.promotion_log import Record, is_stopped, read_records
from pipeline.tracking.registry import PRODUCTION
from pipeline.tracking.stop_marker import Stop, read_stop

STOP_TIMEOUT_SECONDS = 10
"""How long predictors may take to notice the marker."""
STOPPED_GAUGE = re.compile(r"^predictor_stopped (\S+)", re.MULTILINE)


def write_marker(context: Context, reason: str, by: str | None) -> Stop:
    """Stop all answers, unless they are stopped already.

    Args:
        context: The lake.
        reason: Why, for everybody who asks for a prediction.
        by: Who stops them; None for the user of this process.

    Returns:
        The marker that is in effect.
    """
    lake = context.lake
    stop = Stop(by=by or get_user(), at=utc_now(), reason=reason)
    if lake.create(STOP_MARKER, stop.to_bytes()):
        return stop
    try:
        existing = read_stop(lake)
    except LakeError:
        existing = None
    if existing is not None:
        echo(f"stop: answers are stopped already. {existing}", "yellow")
        return existing
    lake.write(STOP_MARKER, stop.to_bytes())
    return stop


def record_stop(context: Context, stop: Stop, by: str | None) -> None:
    """Add the stop to the promotion log, unless it is there already.

    Args:
        context: The lake and the registry.
        stop: The marker, which may be by somebody else, who need not be the person that it names.
        by: Who adds the record; None for the user of this process.

    Raises:
        PromotionError: If no version is in production, or another run is moving production.
    """
    if is_stopped(read_records(context.lake)):
        return
    recorder = by or get_user()
    reason = _name(stop.reason, stop.by)
    if recorder != stop.by:
        reason = f"{stop.reason} (the marker names {stop.by}; recorded by {recorder})"
    keep_production(context, "stop", reason)


def resume(context: Context, reason: str, by: str | None) -> None:
    """Add the resumption to the promotion log, then let the predictors answer again.

    Args:
        context: The lake and the registry.
        reason: Why, for the log.
        by: Who resumes them; None for the user of this process.

    Raises:
        PromotionError: If answers are not stopped, or another run is moving production.
    """
    lake = context.lake
    stop = read_stop(lake)
    if stop is None and not is_stopped(read_records(lake)):
        raise PromotionError("Answers are not stopped.")
    if context.registry.get_by_alias(PRODUCTION) is not None:
        if stop is not None:
            record_stop(context, stop, by)
        if is_stopped(read_records(lake)):
            keep_production(context, "resume", _name(reason, by))
    lake.delete(STOP_MARKER)


def _name(reason: str, by: str | None) -> str:
    """Add who decided to the reason, if the record would name somebody else."""
    return reason if by in (None, get_user()) else f"{reason} ({by})"


def wait_for_predictors(settings: Settings, *, stopped: bool) -> str:
    """Wait until every predictor has noticed the marker, or its absence.

    Args:
        settings: Where the predictors are.
        stopped: Whether they should have stopped.

    Returns:
        A sentence about them.

    Raises:
        VerifyError: If one that responds has not noticed it in time.
    """
    states: dict[Replica, bool | Unreachable] = {}

    def is_complete() -> bool | None:
        nonlocal states
        states = request_all(find_replicas(settings), _has_stopped)
        return True if all(state == stopped for state in states.values()) else None

    complete = poll_until(
        is_complete,
        timeout_seconds=STOP_TIMEOUT_SECONDS,
        interval_seconds=settings.deployment.poll_interval_seconds,
    )
    state = "stopped" if stopped else "answering"
    if complete and states:
        one = len(states) == 1
        return f"the predictor is {state}" if one else f"{len(states)} predictors are {state}"
    if all(isinstance(found, Unreachable) for found in states.values()):
        return f"no predictor responds at {settings.predictor.url}; one that starts will be {state}"
    late = [
        str(found) if isinstance(found, Unreachable) else f"{replica.address} is not {state}"
        for replica, found in states.items()
        if found != stopped
    ]
    raise VerifyError(
        f"After {STOP_TIMEOUT_SECONDS} s not every predictor is {state}: {'; '.join(late)}. The "
        "marker stays as it is. Check the predictor's log and its connection to the object store."
    )


def _has_stopped(replica: Replica) -> bool:
    """Return whether a predictor has read the marker."""
    return STOPPED_GAUGE.findall(replica.read_metrics()) == ["1.0"]


def find_unverified(records: list[Record]) -> Record | None:
    """Find the promotion of the version in production if nobody has verified it since."""
    for record in reversed([each for each in records if each.done]):
        if record.action in ("verify", "revert", "demote", "rollback", "alarm"):
            return None
        if record.action == "promote":
            return record
    return None


def skip_if_stopped(context: Context, number: str) -> None:
    """Raise StageSkipped if predictors do not answer, so that no answer can be checked."""
    if (stop := read_stop(context.lake)) is not None:
        raise StageSkipped(
            f"{stop}. Version {number} was promoted, and is not verified. After `python -m pipeline"
            f" resume`, run `python -m pipeline verify --run-id {context.run_id}`"
        )
