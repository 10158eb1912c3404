"""Measure the candidate on the gold test split, compare it with the champion, judge its gates.

Reads the gold test split, the candidate's MLflow run and the version in production. Measures the
ONNX graph, which is what predictors serve. Writes the figures and the model card to
`reports/<run_id>/` and to the MLflow run, and last `reports/<run_id>/evaluation.json`. A candidate
that fails a gate does not fail the stage; `register` then skips it.
"""

from __future__ import annotations

import math

from pipeline.columns import EXPECTATIONS
from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.data_check.report import read_data_check
from pipeline.errors import LakeError, RegistryError
from pipeline.evaluation import gates, groups, measurements
from pipeline.evaluation.challenges import add_evidence
from pipeline.evaluation.champion import ChampionComparison, compare_with_champion
from pipeline.evaluation.datasets import describe_sample, read_split
from pipeline.evaluation.group_differences import compare_groups, summarize_differences
from pipeline.evaluation.judge import beats_champion, judge
from pipeline.evaluation.measurements import GateInputs
from pipeline.evaluation.model_card import card, hugging_face
from pipeline.evaluation.model_card.calibration import describe_top
from pipeline.evaluation.model_card.effects import compute_effects, describe_surprises
from pipeline.evaluation.model_card.figures import draw_figures
from pipeline.evaluation.model_card.measured import Findings
from pipeline.evaluation.model_card.publication import Change, Publication
from pipeline.evaluation.out_of_fold import read_out_of_fold
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.result import EvaluationResult
from pipeline.evaluation.small_groups import describe_pool
from pipeline.evaluation.split_reuse import count_models, describe_reuse
from pipeline.model.arrays import label_array
from pipeline.model.bundle import Bundle
from pipeline.model.metrics import flatten_metrics
from pipeline.reporting import document
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.layout import (
    HUGGING_FACE_CARD,
    MODEL_CARD_HTML,
    MODEL_CARD_MARKDOWN,
    evaluation_report,
    gold_manifest,
    out_of_fold,
    report_file,
    train_report,
)
from pipeline.storage.parquet import from_parquet
from pipeline.times import format_time
from pipeline.tracking.promotion_log import read_records
from pipeline.tracking.registry import PRODUCTION

FOLDER = "evaluation"
"""Folder of the figures and the card among the artifacts of the MLflow run."""
EFFECT_ROWS = 500
"""Largest number of test rows that the effects of features are averaged over."""


def run(context: Context) -> None:
    """Evaluate the candidate of this run.

    Raises:
        DataError: If all test rows have the same label.
        LakeError: If an input is missing or its hash does not match.
    """
    lake, run_id = context.lake, context.run_id
    training = lake.read_model(train_report(run_id), TrainReport)
    bundle = context.registry.get_bundle(training.mlflow_run_id)
    candidate = SplitPredictions(bundle, read_split(lake, bundle.manifest.lineage, "test"))
    comparison, notes = _compare(context, candidate)
    evidence = None
    if comparison is not None:
        evidence = add_evidence(lake, context.settings, candidate, comparison.champion.bundle)
        notes = (*notes, *([evidence.sentence] if evidence else []))
    inputs = GateInputs(
        context.settings,
        candidate,
        comparison,
        evidence=evidence,
        training_onnx_difference=training.onnx_difference,
        data_check=read_data_check(lake, run_id),
        out_of_fold=read_out_of_fold(lake, bundle.manifest),
    )
    result = evaluate_candidate(context, inputs, training, notes)
    files = _render(context, result, candidate)
    for name, data in files.items():
        lake.write(report_file(run_id, name), data)
    metrics = {f"test_{name}": value for name, value in flatten_metrics(result.metrics).items()}
    context.registry.log_run(bundle.manifest.run_id, metrics, {}, {"decision": result.decision})
    context.registry.log_artifacts(bundle.manifest.run_id, files, FOLDER)
    lake.write_model(evaluation_report(run_id), result.to_report())
    _print(result, lake.url(report_file(run_id, MODEL_CARD_HTML)))


def evaluate_candidate(
    context: Context, inputs: GateInputs, training: TrainReport, notes: tuple[str, ...]
) -> EvaluationResult:
    """Measure the candidate and judge its gates.

    Args:
        context: The context of the run.
        inputs: The candidate with the test rows, and the comparison with the champion.
        training: The report of `train`.
        notes: Sentences about the comparison.

    Returns:
        Everything that the report and the model card show.
    """
    candidate = inputs.model
    manifest = candidate.bundle.manifest
    judgement = judge("evaluate", inputs)
    test_split_models = count_models(context.lake, manifest)
    gold = context.lake.read_model(gold_manifest(manifest.lineage.pipeline_run_id), GoldManifest)
    rows = gold.splits["test"].rows
    shown = inputs.shown_groups
    return EvaluationResult(
        manifest=manifest,
        metrics=inputs.metrics,
        onnx_difference=measurements.onnx_difference(inputs).value,
        gates=judgement.results,
        groups=groups.measure_groups(shown),
        group_rows=shown.source,
        group_note=describe_pool(inputs.group_rows, shown, context.settings.card.min_group_size),
        group_differences=compare_groups(shown),
        comparison=inputs.comparison,
        beats_champion=inputs.evidence is not None and beats_champion(inputs),
        evidence=inputs.evidence,
        test_split_models=test_split_models,
        splits=gold.splits,
        left_out=gold.left_out,
        training=training,
        data_check=inputs.data_check,
        gate_notes=judgement.notes,
        comparison_notes=(*notes, describe_reuse(test_split_models)),
        sample_notes=tuple(describe_sample(len(candidate.frame), rows, "test rows")),
    )


def _compare(
    context: Context, candidate: SplitPredictions
) -> tuple[ChampionComparison | None, tuple[str, ...]]:
    """Compare with the champion, if there is one. Also return the notes for the report."""
    champion, notes = _find_champion(context, candidate.bundle)
    if champion is None:
        return None, notes
    comparison = compare_with_champion(
        context.lake, context.settings, candidate.bundle, champion, candidate.frame
    )
    return comparison, comparison.notes


def _find_champion(context: Context, candidate: Bundle) -> tuple[Bundle | None, tuple[str, ...]]:
    """The model in production, or None and the reason why it cannot be compared with.

    A champion that cannot be read must not prevent its own replacement.
    """
    version = context.registry.get_by_alias(PRODUCTION)
    if version is None or version.run_id == candidate.manifest.run_id:
        return None, ()
    cannot = f"the candidate cannot be compared with version {version.number} in production"
    try:
        champion = context.registry.get_version_bundle(version)
    except (LakeError, RegistryError) as error:
        return None, (f"{cannot}: {error}",)
    if champion.manifest.features != candidate.manifest.features:
        return None, (f"{cannot}, which has other features",)
    return champion, ()


def _render(
    context: Context, result: EvaluationResult, candidate: SplitPredictions
) -> dict[str, bytes]:
    """Figures and model card, by file name."""
    data = context.lake.read(out_of_fold(context.run_id), result.training.out_of_fold)
    unseen = from_parquet(data)
    rows = candidate.features[:: math.ceil(len(candidate.features) / EFFECT_ROWS)]
    effects = compute_effects(candidate.score, rows)
    figures = draw_figures(result, candidate, unseen, effects)
    findings = Findings(
        calibration=[
            describe_top("test rows", candidate.labels, candidate.predictions.probability),
            describe_top(
                "rows of the cross-validation",
                label_array(unseen),
                unseen["probability"].to_numpy(),
            ),
        ],
        surprises=[
            sentence for curve in effects for sentence in describe_surprises(curve, EXPECTATIONS)
        ],
        effect_rows=len(rows),
    )
    publication = _read_publication(context)
    title, blocks = card.title(result), card.blocks(result, findings, publication)
    return {
        **figures,
        MODEL_CARD_MARKDOWN: document.to_markdown(title, blocks).encode(),
        MODEL_CARD_HTML: document.to_html(title, blocks, figures).encode(),
        HUGGING_FACE_CARD: hugging_face.to_readme(title, blocks, result, publication).encode(),
    }


def _read_publication(context: Context) -> Publication:
    changes = [record for record in read_records(context.lake) if record.done]
    return Publication(
        contact=context.settings.card.contact,
        license=context.settings.card.license,
        history=[
            Change(
                time=format_time(record.started_at),
                version=record.move.to,
                reason=f"{record.action}: {record.move.reason}",
            )
            for record in changes
            if record.move.to != record.move.origin
        ],
    )


def _print(result: EvaluationResult, card_url: str) -> None:
    rows = [
        (name, f"{metric.value:.3f}", f"{metric.low:.3f} to {metric.high:.3f}")
        for name, metric in result.metrics.items()
    ]
    print_table("Candidate on the test rows", ("metric", "value", "95 % interval"), rows)
    for sentence in result.data_check.sentences if result.data_check else ():
        echo(f"evaluate: {sentence}", "yellow")
    gates.print_gates("Gates", "evaluate", result.gates)
    if result.group_differences:
        echo(f"evaluate: {summarize_differences(result.group_differences)}")
    for note in result.notes:
        echo(f"evaluate: {note}", "yellow")
    echo(f"evaluate: {result.decision}", "green" if result.passed else "red")
    echo(f"evaluate: the model card is {card_url}")
