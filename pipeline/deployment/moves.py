"""What a move of `production` is to set, where it goes back to an earlier version or nowhere."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.context import Context
from pipeline.deployment.promotion_log import REJECTED, Aliases, Move, number_or_none, read_records
from pipeline.errors import PromotionError
from pipeline.model.bundle import Lineage
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, Registry, Version


def previous_production(lake: Lake, registry: Registry, number: str) -> str | None:
    """The version that was in production before `number` last came there, if it may go there again."""
    for record in reversed(read_records(lake)):
        if record.done and record.action == "promote" and record.move.to == number:
            origin = record.move.origin
            usable = (
                origin is not None
                and origin != number
                and REJECTED not in registry.get_version(origin).tags
            )
            return origin if usable else None
    return None


def get_hashes(version: Version) -> dict[str, str]:
    """What a version's tags say it came from, and its manifest's hash, for the record."""
    return {
        key: value
        for key, value in version.tags.items()
        if key in (MANIFEST_TAG, *Lineage.model_fields) or key.startswith("gold_")
    }


def rollback_to(
    context: Context, reason: str, expected: str | None = None, to: str | None = None
) -> Callable[[Aliases], Move]:
    """A plan that takes production back to version `to`, by default `previous`, and rejects the version that is there.

    The plan raises a PromotionError when there is nothing to go back to, or production is no longer `expected`.
    """

    def plan(aliases: Aliases) -> Move:
        current = number_or_none(aliases.production)
        target = to or number_or_none(aliases.previous)
        if current is None:
            raise PromotionError(f"no version is in `{PRODUCTION}`; promote one first")
        if expected is not None and current != expected:
            raise PromotionError(
                f"`{PRODUCTION}` is version {current} now, not {expected}: it is left as it is"
            )
        if target is None or target == current:
            raise PromotionError(
                f"there is no version to go back to: `{PRODUCTION}` stays version {current}"
            )
        version = context.registry.get_version(target)
        return Move(
            origin=current,
            to=target,
            previous=previous_production(context.lake, context.registry, target),
            reason=reason,
            rejected=reason,
            hashes=get_hashes(version),
        )

    return plan


def keep_production(reason: str) -> Callable[[Aliases], Move]:
    """A plan that moves nothing, and is kept in the history."""

    def plan(aliases: Aliases) -> Move:
        current = number_or_none(aliases.production)
        if current is None:
            raise PromotionError(f"no version is in `{PRODUCTION}`; promote one first")
        return Move(
            origin=current, to=current, previous=number_or_none(aliases.previous), reason=reason
        )

    return plan
