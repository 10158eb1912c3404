"""Holds the registered candidate (alias `staging`) to the deployment gates, beside the champion (alias `production`).

Both are scored, as they are served, on the gold test split that the candidate's lineage names. The verdict is written to
`reports/<run_id>/validation.json`, where `promote` reads it. A candidate that fails a gate, or is the champion's equal, ends the
stage with nothing done: production stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.console import echo
from pipeline.context import Context, utc_now
from pipeline.deployment.moves import REJECTED, VERIFIED, get_aliases, get_number
from pipeline.deployment.shadow_traffic import get_shadow_traffic
from pipeline.errors import StageSkipped
from pipeline.evaluation import gates
from pipeline.evaluation.gate_values import GateValues, measure_gate_values
from pipeline.model.bundle import ONNX, Bundle
from pipeline.storage.artifacts import GateResult, ValidationReport
from pipeline.storage.layout import validation_report
from pipeline.tracking.registry import PRODUCTION, STAGING, Registry, Version


@dataclass(frozen=True)
class Matchup:
    """Who is judged beside whom; `production` is the version that has the alias now."""

    candidate: Version
    champion: Version | None
    production: str | None


def run(context: Context) -> None:
    """Judges the candidate, writes the verdict."""
    contest = find_candidate(context.registry)
    candidate, champion = contest.candidate, contest.champion
    ours = context.registry.get_version_bundle(candidate)
    theirs = None if champion is None else context.registry.get_version_bundle(champion)
    shadow = get_shadow_traffic(context.settings, candidate.number)
    evidence = measure_gate_values(context.lake, context.settings, ours, theirs, shadow)
    results = gates.evaluate_gates(context.settings.gates, "validate", evidence.values)
    gates.print_gates(
        f"Version {candidate.number} beside {f'version {champion.number}' if champion else 'no champion'}",
        results,
    )
    for note in evidence.notes:
        echo(f"validate: {note}")

    problem = gates.describe_failures(results)
    if theirs is not None and identity(theirs) == identity(ours):
        problem = f"the candidate is the champion's equal: the same model, byte for byte, as version {get_number(champion)}"
    better = (
        f"it ranks better than version {champion.number}" if champion else "there is no champion"
    )
    report = build_report(
        context.run_id,
        contest,
        evidence,
        results,
        decision=problem or f"every gate holds, and {better}",
        passed=not problem,
    )
    context.lake.write_model(validation_report(context.run_id), report)
    if problem:
        kept = (
            f"`{PRODUCTION}` stays version {contest.production}"
            if contest.production
            else f"`{PRODUCTION}` stays empty"
        )
        raise StageSkipped(f"version {candidate.number} is not promoted, {kept}: {problem}")
    echo(f"validate: version {candidate.number} may be promoted: every gate holds, and {better}")


def find_candidate(registry: Registry) -> Matchup:
    """The candidate and its champion.

    Raises:
        NothingToDo: there is no candidate, it was rejected, or it is in production and verified.
    """
    aliases = get_aliases(registry)
    candidate, production = aliases.staging, aliases.production
    if candidate is None:
        raise StageSkipped(f"no version has the alias `{STAGING}`; register a candidate first")
    if REJECTED in candidate.tags:
        raise StageSkipped(f"version {candidate.number} was rejected: {candidate.tags[REJECTED]}")
    if production is None or production.number != candidate.number:
        return Matchup(candidate, production, get_number(production))
    if VERIFIED in production.tags:
        raise StageSkipped(f"version {candidate.number} is in `{PRODUCTION}` already, and verified")
    # It was promoted, but no run lived to verify it: it is judged again, beside the champion of then.
    return Matchup(candidate, aliases.previous, production.number)


def identity(bundle: Bundle) -> tuple[str, float]:
    """What makes a model answer as it does: its graph's hash and its threshold."""
    return bundle.manifest.files[ONNX], bundle.manifest.threshold


def build_report(
    run_id: str,
    contest: Matchup,
    evidence: GateValues,
    results: list[GateResult],
    *,
    decision: str,
    passed: bool,
) -> ValidationReport:
    """The report that `promote` acts on."""
    return ValidationReport(
        run_id=run_id,
        created_at=utc_now(),
        passed=passed,
        candidate=contest.candidate.number,
        champion=get_number(contest.champion),
        production=contest.production,
        decision=decision,
        metrics=dict(evidence.metrics),
        difference=dict(evidence.gain),
        notes=list(evidence.notes),
        gates=results,
    )
