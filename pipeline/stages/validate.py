"""Hold the registered candidate (alias `staging`) to the deployment gates.

Compares it with the champion (alias `production`) on the gold test split of the candidate's
lineage; both models are scored as they are served. Writes `reports/<run_id>/validation.json`,
which `promote` acts on, and the same as a page, `validation.html`, which is also written next to
the candidate's model card. If the candidate fails a gate or is identical to the champion, the
stage is skipped and production does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.approval_summary import write_summary
from pipeline.deployment.card_updates import update_candidate_card
from pipeline.deployment.moves import REJECTED, VERIFIED, get_aliases, get_number
from pipeline.deployment.shadow_traffic import get_shadow_traffic, wait_for_shadow_traffic
from pipeline.deployment.validation_page import render_validation
from pipeline.errors import StageSkipped
from pipeline.evaluation import gates
from pipeline.evaluation.challenges import add_evidence
from pipeline.evaluation.champion import compare_with_champion
from pipeline.evaluation.datasets import count_rows, describe_sample, read_split
from pipeline.evaluation.judge import judge
from pipeline.evaluation.measurements import GateInputs, get_recorded_onnx_difference
from pipeline.evaluation.out_of_fold import read_out_of_fold
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.shadow import describe_unjudged
from pipeline.evaluation.split_reuse import count_models, describe_reuse
from pipeline.storage.artifacts.deployment import ValidationReport
from pipeline.storage.layout import VALIDATION_PAGE, report_file, validation_report
from pipeline.times import utc_now
from pipeline.tracking.registry import PRODUCTION, STAGING, Registry, Version
from pipeline.tracking.stop_marker import read_stop


@dataclass(frozen=True)
class Matchup:
    """The versions to compare.

    Attributes:
        candidate: The version to judge.
        champion: The version to compare it with, if any.
        production: Number of the version that has the alias `production` now, if any.
    """

    candidate: Version
    champion: Version | None
    production: str | None


def run(context: Context) -> None:
    """Judge the candidate and write the report.

    Raises:
        StageSkipped: If there is no candidate, or it must not be promoted.
        LakeError: If gold or a model is missing, or its hash does not match.
    """
    matchup = find_candidate(context.registry)
    inputs = load_inputs(context, matchup)
    manifest = inputs.model.bundle.manifest
    models = count_models(context.lake, manifest)
    rows = count_rows(context.lake, manifest.lineage, "test")
    sample = describe_sample(len(inputs.model.frame), rows, "test rows")
    report = build_report(context.run_id, matchup, inputs, models, sample)
    _print(report)
    page = render_validation(report, manifest)
    for run_id in dict.fromkeys((context.run_id, manifest.lineage.pipeline_run_id)):
        context.lake.write(report_file(run_id, VALIDATION_PAGE), page)
    context.lake.write_model(validation_report(context.run_id), report)
    if path := context.settings.deployment.summary_file:
        write_summary(report, Path(path))
    if not report.passed:
        problem = report.decision
        update_candidate_card(context.lake, matchup.candidate, report.created_at, problem)
        state = f"version {report.production}" if report.production else "empty"
        raise StageSkipped(
            f"version {report.candidate} is not promoted, `{PRODUCTION}` stays {state}: "
            f"{report.decision}"
        )
    echo(f"validate: version {report.candidate} can be promoted: {report.decision}")


def find_candidate(registry: Registry) -> Matchup:
    """Find the candidate and the champion.

    Raises:
        StageSkipped: If there is no candidate, it was rejected, or it is in production and
            verified.
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
        raise StageSkipped(f"version {candidate.number} is already in `{PRODUCTION}` and verified")
    # The candidate was promoted, but the run ended before it was verified. Judge it again, against
    # the champion of that time.
    return Matchup(candidate, aliases.previous, production.number)


def load_inputs(context: Context, matchup: Matchup) -> GateInputs:
    """Load both models and the candidate's test rows.

    A champion of another table cannot score these rows, and is not compared.

    Raises:
        LakeError: If gold or a model is missing, or its hash does not match.
    """
    lake, settings, registry = context.lake, context.settings, context.registry
    candidate = registry.get_version_bundle(matchup.candidate)
    test = read_split(lake, candidate.manifest.lineage, "test")
    model = SplitPredictions(candidate, test)
    comparison = evidence = None
    if matchup.champion is not None:
        champion = registry.get_version_bundle(matchup.champion)
        if champion.manifest.features == candidate.manifest.features:
            comparison = compare_with_champion(lake, settings, candidate, champion, test)
            evidence = add_evidence(lake, settings, model, champion)
    in_shadow = matchup.champion is not None and matchup.production != matchup.candidate.number
    if (stop := read_stop(lake)) is not None:
        echo(f"validate: there is no new shadow traffic. {stop}", "yellow")
    waits = in_shadow and stop is None
    count_shadow = wait_for_shadow_traffic if waits else get_shadow_traffic
    return GateInputs(
        settings,
        model,
        comparison,
        evidence=evidence,
        shadow=count_shadow(settings, matchup.candidate.number),
        training_onnx_difference=get_recorded_onnx_difference(candidate.manifest),
        out_of_fold=read_out_of_fold(lake, candidate.manifest),
    )


def build_report(
    run_id: str,
    matchup: Matchup,
    inputs: GateInputs,
    test_split_models: int,
    notes: Sequence[str] = (),
) -> ValidationReport:
    """Judge the candidate.

    Args:
        run_id: Id of the run.
        matchup: The versions to compare.
        inputs: The candidate, and everything that it is measured on.
        test_split_models: Number of models that were measured on the test split so far.
        notes: Further notes about the measurement.

    Returns:
        The report, which `promote` acts on.
    """
    judgement = judge("validate", inputs)
    comparison = inputs.comparison
    problem = gates.describe_failures(judgement.results)
    if comparison is not None and comparison.is_identical:
        problem = f"it is identical to version {comparison.version}, the champion"
    if comparison is not None and inputs.evidence is not None:
        ranking = inputs.evidence.verdict(comparison.version)
    elif matchup.champion is not None:
        ranking = f"version {matchup.champion.number} has other features, so it is replaced"
    else:
        ranking = "there is no champion"
    can_score = inputs.model.signature_matches
    min_rows = inputs.settings.deployment.min_shadow_rows
    unjudged = describe_unjudged(inputs.shadow, min_rows, inputs.model.bundle)
    return ValidationReport(
        run_id=run_id,
        created_at=utc_now(),
        passed=not problem,
        candidate=matchup.candidate.number,
        champion=get_number(matchup.champion),
        production=matchup.production,
        decision=problem or f"every gate passed, and {ranking}",
        metrics=dict(inputs.metrics) if can_score else {},
        difference=dict(comparison.difference) if comparison and can_score else {},
        evidence=inputs.evidence,
        test_split_models=test_split_models,
        notes=[
            *notes,
            *judgement.notes,
            *([unjudged] if comparison and unjudged else []),
            *(comparison.notes if comparison else ()),
            describe_reuse(test_split_models),
        ],
        gates=judgement.results,
    )


def _print(report: ValidationReport) -> None:
    champion = f"version {report.champion}" if report.champion else "no champion"
    title = f"Version {report.candidate} against {champion}"
    gates.print_gates(title, "validate", report.gates)
    for note in report.notes:
        echo(f"validate: {note}")
