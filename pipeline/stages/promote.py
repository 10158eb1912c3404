"""Moves the alias `production` to the candidate that `validate` passed in this run.

Reads `reports/<run_id>/validation.json` and refuses any version but the one it names. The version that was in production gets the
alias `previous`. Exactly one version is in production at every moment; killed anywhere and run again, it ends the same; of
two runs at once one wins and the other says so. Each move is a record in `reports/promotions/` and a line of
`reports/promotions.jsonl`.
"""

from __future__ import annotations

from typing import Any

from pipeline.console import say
from pipeline.context import Context
from pipeline.deployment.moves import hashes_of
from pipeline.deployment.promotion_log import REJECTED, VERIFIED, Aliases, Move, move, number_of, show
from pipeline.errors import NothingToDo, PromotionError
from pipeline.model.bundle import GateResult
from pipeline.tracking.registry import PRODUCTION, STAGING


def run(context: Context) -> None:
    """Reads the verdict, moves the aliases."""
    verdict = context.lake.read_json(f"reports/{context.run_id}/validation.json")
    if not verdict["holds"]:
        raise NothingToDo(f"validate did not pass version {verdict['candidate']}: {verdict['decision']}")
    record = move(context, "promote", lambda aliases: plan_of(verdict, aliases), context.run_id)
    show(record)
    say(f"promote: version {record.move.to} is in `{PRODUCTION}`; {record.move.reason}")


def plan_of(verdict: dict[str, Any], aliases: Aliases) -> Move:
    """The move that follows from the verdict, if the aliases are still as validate saw them.

    Raises:
        NothingToDo: the candidate is in production already, was rejected, or a newer candidate took its place.
        PromotionError: the candidate was judged beside another champion than the one in production.
    """
    candidate = verdict["candidate"]
    staging, production = aliases.staging, aliases.production
    if production is not None and production.number == candidate:
        if VERIFIED in production.tags or verdict["production"] != candidate:
            raise NothingToDo(f"version {candidate} is in `{PRODUCTION}` already")
    elif staging is None or staging.number != candidate:
        raise NothingToDo(
            f"version {candidate} was validated, but `{STAGING}` is {_named(number_of(staging))} now, "
            "which is validated in a run of its own"
        )
    elif number_of(production) != verdict["production"]:
        raise PromotionError(
            f"version {candidate} was judged beside {_named(verdict['production'])}, but `{PRODUCTION}` is "
            f"{_named(number_of(production))} now: another run was faster; run validate again"
        )
    chosen = staging if staging is not None and staging.number == candidate else production
    assert chosen is not None
    if REJECTED in chosen.tags:
        raise NothingToDo(f"version {candidate} was rejected: {chosen.tags[REJECTED]}")
    unmoved = number_of(production) == candidate
    return Move(
        origin=verdict["champion"] if unmoved else number_of(production),
        to=candidate,
        previous=number_of(aliases.previous if unmoved else production),
        reason=verdict["decision"],
        gates=tuple(GateResult(**gate) for gate in verdict["gates"]),
        hashes=hashes_of(chosen),
    )


def _named(number: str | None) -> str:
    return "no version" if number is None else f"version {number}"
