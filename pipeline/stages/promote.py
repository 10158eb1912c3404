"""Move the alias `production` to the candidate that passed `validate` in this run.

Reads `reports/<run_id>/validation.json` and promotes only the version that it names. The version
that leaves production gets the alias `previous`. Exactly one version is in production at any time:
a run that is killed and repeated ends the same, and of two concurrent runs one fails. Every move
has a record in `reports/promotions/` and a line in `reports/promotions.jsonl`. If promotions need
an approval (MLOPS_DEPLOYMENT__REQUIRE_APPROVAL), the record names who gave it.
"""

from __future__ import annotations

import argparse

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.moves import (
    REJECTED,
    VERIFIED,
    Aliases,
    get_number,
    move,
    name_version,
    print_aliases,
)
from pipeline.errors import PromotionError, StageSkipped
from pipeline.storage.artifacts.deployment import ValidationReport
from pipeline.storage.layout import validation_report
from pipeline.tracking.promotion_log import Approval, Move, get_hashes
from pipeline.tracking.registry import PRODUCTION, STAGING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the stage to its parser."""
    parser.add_argument("--approved-by", default="", metavar="NAME", help="who approved it")
    parser.add_argument("--approval-reason", default="", metavar="TEXT", help="why")


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Promote with the approval in the arguments, if there is one."""
    name, reason = arguments.approved_by.strip(), arguments.approval_reason.strip()
    run(context, Approval(by=name, reason=reason) if name else None)


def run(context: Context, approval: Approval | None = None) -> None:
    """Read the validation report and move the aliases.

    Args:
        context: The run.
        approval: Who approved the promotion; None for nobody.

    Raises:
        StageSkipped: If there is nothing to promote.
        PromotionError: If nobody approved the promotion although the settings require it,
            production has changed since the candidate was validated, or another run is moving it.
    """
    report = context.lake.read_model(validation_report(context.run_id), ValidationReport)
    if not report.passed:
        raise StageSkipped(f"version {report.candidate} did not pass validation: {report.decision}")
    if context.settings.deployment.require_approval and approval is None:
        raise PromotionError(
            f"Nobody approved version {report.candidate}. Approve it in Airflow, or run promote "
            "with --approved-by NAME. MLOPS_DEPLOYMENT__REQUIRE_APPROVAL=false turns this off."
        )

    def plan(aliases: Aliases) -> Move:
        return plan_move(report, aliases).model_copy(update={"approval": approval})

    record = move(context, "promote", plan)
    print_aliases(record)
    echo(f"promote: version {record.move.to} is in `{PRODUCTION}`: {record.move.describe()}")


def plan_move(report: ValidationReport, aliases: Aliases) -> Move:
    """Plan the promotion, if the aliases are still those that `validate` saw.

    Raises:
        StageSkipped: If the candidate is in production already, was rejected, or is no longer the
            newest candidate.
        PromotionError: If the candidate was compared with another version than the one in
            production.
    """
    candidate = report.candidate
    staging, production = get_number(aliases.staging), get_number(aliases.production)
    if production == candidate:
        version = aliases.production
        is_verified = version is not None and VERIFIED in version.tags
        if is_verified or report.production != candidate:
            raise StageSkipped(f"version {candidate} is in `{PRODUCTION}` already")
        # It was promoted, but its run died before it was verified: promote it again.
        origin, previous = report.champion, get_number(aliases.previous)
    else:
        version = aliases.staging
        if staging != candidate:
            raise StageSkipped(
                f"version {candidate} was validated, but `{STAGING}` is {name_version(staging)} "
                "now, which has its own run"
            )
        if production != report.production:
            raise PromotionError(
                f"Version {candidate} was compared with {name_version(report.production)}, but "
                f"`{PRODUCTION}` is {name_version(production)} now. Run validate again."
            )
        origin = previous = production
    assert version is not None  # it has one of the two aliases
    if REJECTED in version.tags:
        raise StageSkipped(f"version {candidate} was rejected: {version.tags[REJECTED]}")
    return Move(
        origin=origin,
        to=candidate,
        previous=previous,
        reason=report.decision,
        gates=tuple(report.gates),
        hashes=get_hashes(version),
    )
