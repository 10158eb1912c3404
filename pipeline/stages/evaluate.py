"""Measures the candidate on gold's test split, beside the champion, and holds it to the gates.

Reads gold's test split, the candidate's MLflow run and the version in production. Everything is measured on the ONNX graph, as
it will be served. Writes the figures, `model_card.md` and `model_card.html`, logs them to the MLflow run, and, last, writes
`reports/<run_id>/evaluation.json`. A candidate that fails a gate ends here well: `register` then has nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.errors import DataError, LakeError, RegistryError
from pipeline.evaluation import behavioral_checks, gates
from pipeline.evaluation.datasets import read_split
from pipeline.evaluation.gate_values import rows_unseen_by_champion
from pipeline.evaluation.model_card import card, document, plots
from pipeline.evaluation.model_card.card import ChampionComparison, EvaluationResult
from pipeline.evaluation.model_card.plots import CANDIDATE, CHAMPION, OTHER, Series
from pipeline.model import onnx
from pipeline.model.bundle import ONNX, Bundle
from pipeline.model.metrics import Predictions, compute_metrics, flatten_metrics, paired_differences
from pipeline.storage import layout
from pipeline.storage.artifacts import (
    ChampionReport,
    EvaluationReport,
    GateResult,
    GoldManifest,
    GroupMetrics,
    TrainReport,
)
from pipeline.storage.layout import (
    MODEL_CARD_HTML,
    MODEL_CARD_MARKDOWN,
    evaluation_report,
    gold_manifest,
    report_file,
    train_report,
)
from pipeline.storage.parquet import from_parquet
from pipeline.tracking.registry import PRODUCTION

EFFECT_ROWS = 500
"""Test rows that features' effects are averaged over."""
FOLDER = "evaluation"
"""Of the artifacts in the MLflow run."""


@dataclass(frozen=True)
class SplitPredictions:
    """What a model, as it is served, says of labelled rows."""

    bundle: Bundle
    rows: behavioral_checks.Floats
    label: plots.Label
    scored: Predictions


def run(context: Context) -> None:
    """Measures, judges, writes."""
    lake, run_id = context.lake, context.run_id
    trained = lake.read_model(train_report(run_id), TrainReport)
    candidate = context.registry.get_bundle(trained.mlflow_run_id)
    test = read_split(lake, candidate.manifest.lineage, "test")
    ours = predict_split(candidate, test)
    champion, notes = _champion(context, candidate)
    ours_there = theirs = None
    if champion is not None:
        fair, left_out = rows_unseen_by_champion(lake, context.settings, champion, candidate, test)
        ours_there, theirs, notes = (
            predict_split(candidate, fair),
            predict_split(champion, fair),
            (*notes, *left_out),
        )
    rival = (
        None
        if theirs is None or ours_there is None
        else compare(context, ours_there, theirs, notes)
    )
    found = evaluate_candidate(context, ours, rival, trained)

    out_of_fold = from_parquet(lake.read(layout.out_of_fold(run_id), trained.out_of_fold))
    pictures = draw(found, ours, theirs, out_of_fold)
    report = _report(found, notes)
    shown, title = card.blocks(found), card.title(found)
    files = {
        **pictures,
        MODEL_CARD_MARKDOWN: document.to_markdown(title, shown).encode(),
        MODEL_CARD_HTML: document.to_html(title, shown, pictures).encode(),
    }
    for name, data in files.items():
        lake.write(report_file(run_id, name), data)
    tags = {"decision": found.decision}
    context.registry.log_run(
        candidate.manifest.run_id,
        {f"test_{name}": value for name, value in flatten_metrics(found.metrics).items()},
        {},
        tags,
    )
    context.registry.log_artifacts(candidate.manifest.run_id, files, FOLDER)
    lake.write_model(evaluation_report(run_id), report)
    _show(found, notes, lake.url(report_file(run_id, MODEL_CARD_HTML)))


def predict_split(bundle: Bundle, frame: pd.DataFrame) -> SplitPredictions:
    """The model's answers to a split.

    Raises:
        DataError: the split does not hold both classes.
    """
    rows, label = (
        frame[list(FEATURE_NAMES)].to_numpy(np.float64),
        frame[LABEL.name].to_numpy(np.int64),
    )
    if len(set(label.tolist())) != 2:
        raise DataError(
            f"the test rows ({len(label):,}) hold one class alone: nothing can be measured on them; run `features` again"
        )
    probability = onnx.positive_probability(onnx.open_session(bundle), rows)
    return SplitPredictions(
        bundle, rows, label, Predictions(probability, bundle.manifest.threshold)
    )


def _champion(context: Context, candidate: Bundle) -> tuple[Bundle | None, tuple[str, ...]]:
    """The model in production; or None, and why, if there is none that could be compared with.

    A champion that cannot be read must not keep a better one from being made.
    """
    version = context.registry.get_by_alias(PRODUCTION)
    if version is None or version.run_id == candidate.manifest.run_id:
        return None, ()
    try:
        champion = context.registry.get_version_bundle(version)
    except (LakeError, RegistryError) as error:
        return None, (f"version {version.number}, in production, cannot be compared with: {error}",)
    if champion.manifest.features != candidate.manifest.features:
        return None, (
            f"version {version.number}, in production, takes other features: it cannot be compared with",
        )
    return champion, ()


def compare(
    context: Context, ours: SplitPredictions, theirs: SplitPredictions, notes: tuple[str, ...]
) -> ChampionComparison:
    """The champion beside the candidate; both answered the same rows."""
    samples, seed, bounds = (
        context.settings.bootstrap_samples,
        context.settings.seed,
        context.settings.gates,
    )
    gain = paired_differences(ours.label, ours.scored, theirs.scored, samples, seed)
    is_better = (
        gain["roc_auc"].value >= bounds.min_roc_auc_gain
        and gain["recall"].high >= bounds.min_recall_difference_upper
        and gain["balanced_accuracy"].high >= bounds.min_balanced_accuracy_difference_upper
    )
    manifest = theirs.bundle.manifest
    return ChampionComparison(
        version=str(manifest.version),
        run_id=manifest.run_id,
        family=manifest.family,
        ours=compute_metrics(ours.label, ours.scored, samples, seed),
        theirs=compute_metrics(theirs.label, theirs.scored, samples, seed),
        gain=gain,
        is_better=is_better,
        is_identical=manifest.files[ONNX] == ours.bundle.manifest.files[ONNX]
        and manifest.threshold == ours.scored.threshold,
        notes=notes,
    )


def evaluate_candidate(
    context: Context,
    ours: SplitPredictions,
    rival: ChampionComparison | None,
    trained: TrainReport,
) -> EvaluationResult:
    """All that is measured of the candidate, and what follows."""
    manifest = ours.bundle.manifest
    metrics = compute_metrics(
        ours.label, ours.scored, context.settings.bootstrap_samples, context.settings.seed
    )
    examples = onnx.positive_probability(onnx.open_session(ours.bundle), manifest.examples.inputs)
    here = float(np.abs(examples - np.array(manifest.examples.fail_probability)).max())
    values: dict[str, float | None] = {
        **{name: metric.value for name, metric in metrics.items()},
        "roc_auc_lower": metrics["roc_auc"].low,
        "onnx_difference": max(here, trained.onnx_difference),
    }
    results = gates.evaluate_gates(context.settings.gates, "evaluate", values)
    gold = context.lake.read_model(gold_manifest(manifest.lineage.pipeline_run_id), GoldManifest)
    return EvaluationResult(
        manifest=manifest,
        metrics=metrics,
        gates=results,
        groups=measure_groups(ours.rows, ours.label, ours.scored),
        rival=rival,
        decision=decide(results, rival),
        holds=not gates.describe_failures(results),
        splits=gold.splits,
        trained=trained,
    )


def decide(results: list[GateResult], rival: ChampionComparison | None) -> str:
    """What becomes of the candidate, in one sentence."""
    if failed := gates.describe_failures(results):
        return f"The candidate is refused, and production stays as it is: {failed}."
    if rival is None:
        return "The candidate holds every gate and goes to the registry as `staging`; there is no champion to compare it with."
    champion = f"version {rival.version}, the champion"
    if rival.is_identical:
        return f"The candidate holds every gate, and is byte for byte {champion}: nothing would change, the champion stays."
    gain = rival.gain["roc_auc"]
    interval = f"ROC AUC {gain.value:+.3f} on the same rows, 95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    verdict = "does better than" if rival.is_better else "does no better than"
    end = "`validate` decides" if rival.is_better else "the champion stays"
    return f"The candidate holds every gate and goes to the registry as `staging`; it {verdict} {champion} ({interval}): {end}."


def measure_groups(
    rows: behavioral_checks.Floats, label: plots.Label, scored: Predictions
) -> list[GroupMetrics]:
    """How the model does in each group that has any of the rows."""
    positive, predicted = label == 1, scored.positive
    return [
        GroupMetrics(
            name=name,
            rows=int(mask.sum()),
            positives=int((mask & positive).sum()),
            predicted_positive=int((mask & predicted).sum()),
            true_positives=int((mask & positive & predicted).sum()),
            mean_probability=float(scored.probability[mask].mean()),
        )
        for name, mask in behavioral_checks.find_groups(rows).items()
        if mask.any()
    ]


def draw(
    found: EvaluationResult,
    ours: SplitPredictions,
    theirs: SplitPredictions | None,
    out_of_fold: pd.DataFrame,
) -> dict[str, bytes]:
    """The figures, by file name."""
    threshold, session = found.manifest.threshold, onnx.open_session(ours.bundle)
    before = Series(
        "cross-validation",
        out_of_fold[LABEL.name].to_numpy(),
        out_of_fold["probability"].to_numpy(),
        OTHER,
    )
    series = [Series("test", ours.label, ours.scored.probability, CANDIDATE), before]
    both = [*series]
    if theirs is not None:
        both.append(
            Series(
                f"champion, version {theirs.bundle.manifest.version}",
                theirs.label,
                theirs.scored.probability,
                CHAMPION,
            )
        )
    asked = float(found.trained.inputs.settings.min_recall)
    rows = ours.rows[:: max(1, len(ours.rows) // EFFECT_ROWS)]
    figures = {
        "threshold.png": plots.threshold_choice(before.label, before.probability, threshold, asked),
        "confusion.png": plots.confusion(ours.label, ours.scored.positive),
        "roc.png": plots.roc(both, threshold),
        "precision_recall.png": plots.precision_recall(both, threshold),
        "calibration.png": plots.calibration(series),
        "feature_effects.png": plots.feature_effects(
            lambda moved: onnx.positive_probability(session, moved), rows, threshold
        ),
    }
    if found.rival is not None:
        figures["champion.png"] = plots.side_by_side(
            found.rival.ours, found.rival.theirs, f"version {found.rival.version}"
        )
    return figures


def _report(found: EvaluationResult, notes: tuple[str, ...]) -> EvaluationReport:
    rival = found.rival
    champion = (
        None
        if rival is None
        else ChampionReport(
            version=rival.version,
            run_id=rival.run_id,
            is_identical=rival.is_identical,
            candidate_is_better=rival.is_better,
            champion_metrics=dict(rival.theirs),
            candidate_metrics=dict(rival.ours),
            difference=dict(rival.gain),
        )
    )
    return EvaluationReport(
        mlflow_run_id=found.manifest.run_id,
        threshold=found.manifest.threshold,
        metrics=dict(found.metrics),
        gates=list(found.gates),
        onnx_difference=next(
            gate.value for gate in found.gates if gate.name == "max_onnx_difference"
        ),
        groups=list(found.groups),
        champion=champion,
        notes=list(notes),
        decision=found.decision,
    )


def _show(found: EvaluationResult, notes: tuple[str, ...], place: str) -> None:
    rows = [
        (name, f"{at.value:.3f}", f"{at.low:.3f} to {at.high:.3f}")
        for name, at in found.metrics.items()
    ]
    print_table("Candidate on the test rows", ("metric", "value", "95 % interval"), rows)
    gates.print_gates("Gates", list(found.gates))
    for note in notes:
        echo(f"evaluate: {note}", "yellow")
    echo(f"evaluate: {found.decision}", "green" if found.holds else "red")
    echo(f"evaluate: the model card is {place}")
