"""Holds the registered candidate (alias `staging`) to the deployment gates, beside the champion (alias `production`).

Both are scored, as they are served, on the gold test split that the candidate's lineage names. The verdict is written to
`reports/<run_id>/validation.json`, where `promote` reads it. A candidate that fails a gate, or is the champion's equal, ends the
stage with nothing done: production stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.console import echo
from pipeline.context import Context, utc_now
from pipeline.deployment.predictor_client import get_shadow_traffic
from pipeline.deployment.promotion_log import REJECTED, VERIFIED, get_aliases, number_or_none
from pipeline.errors import StageSkipped
from pipeline.evaluation import gates
from pipeline.evaluation.gate_values import GateValues, measure_gate_values
from pipeline.model.bundle import ONNX, Bundle, GateResult
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING, Registry, Version


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
    ours = bundle_of(context.registry, candidate)
    theirs = None if champion is None else bundle_of(context.registry, champion)
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
        problem = f"the candidate is the champion's equal: the same model, byte for byte, as version {number_or_none(champion)}"
    better = (
        f"it ranks better than version {champion.number}" if champion else "there is no champion"
    )
    verdict = build_report(contest, evidence, results, problem or f"every gate holds, and {better}")
    context.lake.write_json(
        f"reports/{context.run_id}/validation.json",
        verdict | {"run_id": context.run_id, "holds": not problem},
    )
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
        return Matchup(candidate, production, number_or_none(production))
    if VERIFIED in production.tags:
        raise StageSkipped(f"version {candidate.number} is in `{PRODUCTION}` already, and verified")
    # It was promoted, but no run lived to verify it: it is judged again, beside the champion of then.
    return Matchup(candidate, aliases.previous, production.number)


def identity(bundle: Bundle) -> tuple[str, float]:
    """What makes a model answer as it does: its graph's hash and its threshold."""
    return bundle.manifest.files[ONNX], bundle.manifest.threshold


def bundle_of(registry: Registry, version: Version) -> Bundle:
    """The version's bundle, every hash checked."""
    return registry.get_bundle(version.run_id, version.tags.get(MANIFEST_TAG))


def build_report(
    contest: Matchup, evidence: GateValues, results: list[GateResult], decision: str
) -> dict[str, object]:
    """What `promote` and people read."""
    return {
        "at": utc_now(),
        "candidate": contest.candidate.number,
        "champion": number_or_none(contest.champion),
        "production": contest.production,
        "decision": decision,
        "metrics": {name: interval.model_dump() for name, interval in evidence.metrics.items()},
        "gain": {name: interval.model_dump() for name, interval in evidence.gain.items()},
        "notes": list(evidence.notes),
        "gates": [result.model_dump() for result in results],
    }
