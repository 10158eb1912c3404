"""Moves of `production` that go back to an earlier version or change nothing."""

from __future__ import annotations

from pipeline.context import Context
from pipeline.deployment.moves import REJECTED, Aliases, get_number, move
from pipeline.errors import PromotionError
from pipeline.tracking.promotion_log import (
    Action,
    Move,
    Record,
    get_hashes,
    read_records,
)
from pipeline.tracking.registry import PRODUCTION


def roll_back(
    context: Context,
    action: Action,
    reason: str,
    *,
    expected: str | None = None,
    to: str | None = None,
) -> Record:
    """Return production to an earlier version and tag the version that leaves as rejected.

    Args:
        context: The lake, the registry and the run that moves.
        action: Why production moves, as in `moves.move`.
        reason: The reason for the log and for the tag.
        expected: Version that must be in production for the move to happen; None for any.
        to: Version that enters production; None for the one with the alias `previous`.

    Returns:
        The record of the completed move.

    Raises:
        PromotionError: If there is no version to go back to, production is not `expected`, or
            another run is moving production.
    """

    def plan(aliases: Aliases) -> Move:
        current = _get_production(aliases)
        target = to or get_number(aliases.previous)
        if expected is not None and current != expected:
            raise PromotionError(
                f"`{PRODUCTION}` is version {current} now, not {expected}, and stays so."
            )
        if target is None or target == current:
            raise PromotionError(
                f"There is no version to go back to. `{PRODUCTION}` stays version {current}."
            )
        return Move(
            origin=current,
            to=target,
            previous=find_predecessor(context, target),
            reason=reason,
            rejection_reason=reason,
            hashes=get_hashes(context.registry.get_version(target)),
        )

    return move(context, action, plan)


def keep_production(context: Context, action: Action, reason: str) -> Record:
    """Log an action that leaves production as it is.

    Args:
        context: The lake, the registry and the run that acts.
        action: What was done.
        reason: The result, for the log.

    Returns:
        The record of the action.

    Raises:
        PromotionError: If no version is in production, or another run is moving production.
    """

    def plan(aliases: Aliases) -> Move:
        current = _get_production(aliases)
        previous = get_number(aliases.previous)
        return Move(origin=current, to=current, previous=previous, reason=reason)

    return move(context, action, plan)


def _get_production(aliases: Aliases) -> str:
    if aliases.production is None:
        raise PromotionError(f"No version is in `{PRODUCTION}`. Promote one first.")
    return aliases.production.number


def find_predecessor(context: Context, number: str) -> str | None:
    """Find the version that was in production before a version was last promoted.

    Args:
        context: The lake with the promotion log, and the registry.
        number: Number of the promoted version.

    Returns:
        The number of the predecessor, or None if there was none or it is rejected.
    """
    for record in reversed(read_records(context.lake)):
        if record.done and record.action == "promote" and record.move.to == number:
            origin = record.move.origin
            if origin is None or origin == number:
                return None
            is_rejected = REJECTED in context.registry.get_version(origin).tags
            return None if is_rejected else origin
    return None
