"""Chooses a model family, its settings and a threshold, and trains the candidate.

Reads gold's train and validation splits. Nested cross-validation on train chooses, and says what such a choice is worth; the
validation split, which no choice has seen, checks it; the candidate is then fitted, threshold included, on both.
Writes an MLflow run (parameters, metrics, the model by skops, and `serving/` with ONNX, pickle and manifest) and
`reports/<run_id>/{out_of_fold.parquet,train.json}`; last, the MLflow run is finished. Run again on the
same gold, it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.console import echo, print_table
from pipeline.context import Context, utc_now
from pipeline.model import export, selection
from pipeline.model.arrays import feature_array, label_array
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, ONNX, Lineage, Manifest
from pipeline.model.candidates import Candidate, Label
from pipeline.model.metrics import compute_metrics, flatten_metrics
from pipeline.model.selection import FittedModel, OuterFold, TrainingData
from pipeline.settings import TrainSettings
from pipeline.storage.artifacts import GoldManifest, Interval, TrainInputs, TrainReport
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import gold_manifest, gold_split, out_of_fold, train_report
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking import run_logging


@dataclass(frozen=True)
class TrainingResult:
    """What training found."""

    candidate: Candidate
    ranking: dict[str, float]
    """Mean ROC AUC in the inner cross-validation, by candidate."""
    cross_validation: dict[str, Interval]
    validation: dict[str, Interval]
    out_of_fold: pd.DataFrame
    """What the outer cross-validation said of rows that no choice had seen: fold, label, probability, called."""
    final: FittedModel
    learned_from: TrainingData


def run(context: Context) -> None:
    """Reads gold, trains, writes the MLflow run and the report."""
    lake, run_id, settings = context.lake, context.run_id, context.settings
    gold = lake.read_model(gold_manifest(run_id), GoldManifest)
    inputs = TrainInputs(
        gold={name: split.sha256 for name, split in gold.splits.items()},
        seed=settings.seed,
        code_version=settings.code_version,
        settings=settings.train,
    )
    if done := _already_trained(context, inputs):
        echo(
            f"train: the MLflow run {done} holds the candidate of this gold, these settings and this code already"
        )
        return
    train, validation = (
        to_training_data(from_parquet(lake.read(gold_split(run_id, name), inputs.gold[name])))
        for name in ("train", "validation")
    )
    outcome = train_candidate(
        train, validation, settings.train, settings.seed, settings.bootstrap_samples
    )
    files = export.export_files(outcome.final.model)
    difference = export.max_onnx_difference(
        outcome.final.model, files[ONNX], outcome.learned_from.rows, settings.seed
    )
    stored = lake.write(out_of_fold(run_id), to_parquet(outcome.out_of_fold))
    mlflow_run_id, model_uri = _log(context, outcome, files, gold, difference)
    report = TrainReport(
        family=outcome.candidate.family,
        candidate=outcome.candidate.name,
        parameters=outcome.candidate.parameters,
        threshold=outcome.final.threshold,
        ranking=outcome.ranking,
        cross_validation=outcome.cross_validation,
        validation=outcome.validation,
        onnx_difference=difference,
        out_of_fold=stored,
        inputs=inputs,
        mlflow_run_id=mlflow_run_id,
        model_uri=model_uri,
    )
    lake.write_model(train_report(run_id), report)
    context.registry.end_run(mlflow_run_id)
    _show(report)


def train_candidate(
    train: TrainingData,
    validation: TrainingData,
    settings: TrainSettings,
    seed: int,
    samples: int = 1000,
) -> TrainingResult:
    """The choice, what it is worth, and the candidate.

    Raises:
        DataError: a class is missing, or has fewer rows than nested folds need.
    """
    selection.check_class_counts(train.label, settings.folds)
    train = selection.stratified_sample(train, settings.max_rows, seed)
    both = TrainingData(
        np.vstack([train.rows, validation.rows]), np.concatenate([train.label, validation.label])
    )
    both = selection.stratified_sample(both, settings.max_rows, seed)

    folds = selection.cross_validate(train, settings, seed)
    choice = selection.select_candidate(train, settings, seed)
    trial = selection.fit_calibrated(choice, train, settings.folds, seed)
    final = selection.select_candidate(both, settings, seed, among=(choice.candidate,))
    return TrainingResult(
        candidate=choice.candidate,
        ranking=choice.ranking,
        cross_validation=selection.estimate_metrics(train.label, folds, samples, seed),
        validation=compute_metrics(validation.label, trial.score(validation.rows), samples, seed),
        out_of_fold=_out_of_fold(train.label, folds),
        final=selection.fit_calibrated(final, both, settings.folds, seed),
        learned_from=both,
    )


def to_training_data(frame: pd.DataFrame) -> TrainingData:
    return TrainingData(feature_array(frame, np.float32), label_array(frame))


def _already_trained(context: Context, inputs: TrainInputs) -> str | None:
    """The finished MLflow run of an earlier training on the same inputs, if any."""
    key = train_report(context.run_id)
    if not context.lake.exists(key):
        return None
    report = context.lake.read_model(key, TrainReport)
    unchanged = report.inputs == inputs and context.registry.is_finished(report.mlflow_run_id)
    return report.mlflow_run_id if unchanged else None


def _log(
    context: Context,
    outcome: TrainingResult,
    files: dict[str, bytes],
    gold: GoldManifest,
    difference: float,
) -> tuple[str, str]:
    """Fill an MLflow run, which stays unfinished; return its id and the model's URI."""
    registry, settings, rows = context.registry, context.settings, outcome.learned_from.rows
    run = registry.start_run(
        f"train {context.run_id}", {"pipeline_run_id": context.run_id, "stage": "train"}
    )
    lineage = Lineage(
        pipeline_run_id=context.run_id,
        bronze=gold.bronze,
        silver=gold.silver,
        gold={name: split.sha256 for name, split in gold.splits.items()},
        code_version=settings.code_version,
        image=settings.image,
    )
    manifest = Manifest(
        name=registry.name,
        family=outcome.candidate.family,
        run_id=run,
        created=utc_now(),
        threshold=outcome.final.threshold,
        features=list(FEATURE_NAMES),
        files={name: sha256_hex(data) for name, data in files.items()},
        lineage=lineage,
        examples=export.make_examples(outcome.final.model, rows, settings.seed),
        background=export.sample_background(rows, settings.seed),
    )
    choice = {
        "candidate": outcome.candidate.name,
        "family": outcome.candidate.family,
        **outcome.candidate.parameters,
    }
    params = choice | {"seed": settings.seed, "rows": len(rows)} | settings.train.model_dump()
    metrics = {
        f"cross_validation_{name}": value
        for name, value in flatten_metrics(outcome.cross_validation).items()
    }
    metrics |= {
        f"validation_{name}": value for name, value in flatten_metrics(outcome.validation).items()
    }
    metrics |= {"onnx_difference": difference, "threshold": outcome.final.threshold}
    registry.log_run(run, metrics, params, lineage.tags())
    run_logging.log_inputs(registry, run, context.lake, gold)
    registry.log_artifacts(run, {**files, MANIFEST: manifest.to_bytes()}, ARTIFACT_FOLDER)
    return run, run_logging.log_model(registry, run, outcome.final.model, rows[:3])


def _out_of_fold(label: Label, folds: list[OuterFold]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "fold": number,
                LABEL.name: label[fold.places],
                "probability": fold.scored.probability,
                "called": fold.scored.positive,
            }
        )
        for number, fold in enumerate(folds)
    ]
    return pd.concat(parts, ignore_index=True)


def _show(report: TrainReport) -> None:
    ranking = (
        (name, f"{area:.3f}", "chosen" if name == report.candidate else "")
        for name, area in report.ranking.items()
    )
    print_table("Candidates, by cross-validation on train", ("candidate", "ROC AUC", ""), ranking)
    found = report.cross_validation
    echo(
        f"train: {report.candidate}, threshold {report.threshold:.4g}; "
        f"ONNX differs by {report.onnx_difference:.1g}"
    )
    echo(
        f"train: such a choice is worth ROC AUC {found['roc_auc']}, recall {found['recall']}, "
        f"balanced accuracy {found['balanced_accuracy']} on rows it has not seen"
    )
