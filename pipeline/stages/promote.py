"""Moves the alias `production` to the candidate that `validate` passed in this run.

Reads `reports/<run_id>/validation.json` and refuses any version but the one it names. The version that was in production gets the
alias `previous`. Exactly one version is in production at every moment; killed anywhere and run again, it ends the same; of
two runs at once one wins and the other says so. Each move is a record in `reports/promotions/` and a line of
`reports/promotions.jsonl`.
"""

from __future__ import annotations

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import get_hashes
from pipeline.deployment.promotion_log import (
    REJECTED,
    VERIFIED,
    Aliases,
    Move,
    move,
    number_or_none,
    print_record,
)
from pipeline.errors import PromotionError, StageSkipped
from pipeline.storage.artifacts import ValidationReport
from pipeline.storage.layout import validation_report
from pipeline.tracking.registry import PRODUCTION, STAGING


def run(context: Context) -> None:
    """Reads the verdict, moves the aliases."""
    verdict = context.lake.read_model(validation_report(context.run_id), ValidationReport)
    if not verdict.passed:
        raise StageSkipped(f"validate did not pass version {verdict.candidate}: {verdict.decision}")
    record = move(context, "promote", lambda aliases: plan_move(verdict, aliases), context.run_id)
    print_record(record)
    echo(f"promote: version {record.move.to} is in `{PRODUCTION}`; {record.move.reason}")


def plan_move(verdict: ValidationReport, aliases: Aliases) -> Move:
    """The move that follows from the verdict, if the aliases are still as validate saw them.

    Raises:
        NothingToDo: the candidate is in production already, was rejected, or a newer candidate took its place.
        PromotionError: the candidate was judged beside another champion than the one in production.
    """
    candidate = verdict.candidate
    staging, production = aliases.staging, aliases.production
    if production is not None and production.number == candidate:
        if VERIFIED in production.tags or verdict.production != candidate:
            raise StageSkipped(f"version {candidate} is in `{PRODUCTION}` already")
    elif staging is None or staging.number != candidate:
        raise StageSkipped(
            f"version {candidate} was validated, but `{STAGING}` is {_named(number_or_none(staging))} now, "
            "which is validated in a run of its own"
        )
    elif number_or_none(production) != verdict.production:
        raise PromotionError(
            f"version {candidate} was judged beside {_named(verdict.production)}, but `{PRODUCTION}` is "
            f"{_named(number_or_none(production))} now: another run was faster; run validate again"
        )
    chosen = staging if staging is not None and staging.number == candidate else production
    assert chosen is not None
    if REJECTED in chosen.tags:
        raise StageSkipped(f"version {candidate} was rejected: {chosen.tags[REJECTED]}")
    unmoved = number_or_none(production) == candidate
    return Move(
        origin=verdict.champion if unmoved else number_or_none(production),
        to=candidate,
        previous=number_or_none(aliases.previous if unmoved else production),
        reason=verdict.decision,
        gates=tuple(verdict.gates),
        hashes=get_hashes(chosen),
    )


def _named(number: str | None) -> str:
    return "no version" if number is None else f"version {number}"
