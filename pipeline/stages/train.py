"""Chooses a model family, its settings and a threshold, and trains the candidate.

Reads gold's train and validation splits. Nested cross-validation on train chooses, and says what such a choice is worth; the
validation split, which no choice has seen, checks it; the candidate is then fitted, threshold included, on both.
Writes an MLflow run (parameters, metrics, the model by skops, and `serving/` with ONNX, pickle and manifest) and
`reports/<run_id>/{out_of_fold.parquet,train.json}`; last, the MLflow run is finished. Run again on the
same gold, it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.console import echo, print_table
from pipeline.context import Context, utc_now
from pipeline.model import export, selection
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, ONNX, Interval, Lineage, Manifest
from pipeline.model.candidates import Candidate, Label
from pipeline.model.metrics import compute_metrics, flatten_metrics
from pipeline.model.selection import FittedModel, OuterFold, TrainingData
from pipeline.settings import TrainSettings
from pipeline.storage.lake import sha256_hex
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
    gold = lake.read_json(f"gold/{run_id}/manifest.json")
    made_from: dict[str, Any] = {
        "gold": {name: split["sha256"] for name, split in gold["splits"].items()},
        "seed": settings.seed,
        "code_version": settings.code_version,
        "settings": settings.train.model_dump(),
    }
    if done := _already_trained(context, made_from):
        echo(
            f"train: the MLflow run {done} holds the candidate of this gold, these settings and this code already"
        )
        return
    train, validation = (
        to_training_data(
            from_parquet(lake.read(f"gold/{run_id}/{name}.parquet", made_from["gold"][name]))
        )
        for name in ("train", "validation")
    )
    outcome = train_candidate(train, validation, settings.train, settings.seed)
    files = export.export_files(outcome.final.model)
    difference = export.max_onnx_difference(
        outcome.final.model, files[ONNX], outcome.learned_from.rows, settings.seed
    )
    report: dict[str, Any] = {
        "family": outcome.candidate.family,
        "candidate": outcome.candidate.name,
        "parameters": outcome.candidate.parameters,
        "threshold": outcome.final.threshold,
        "ranking": outcome.ranking,
        "cross_validation": _plain(outcome.cross_validation),
        "validation": _plain(outcome.validation),
        "onnx_difference": difference,
        "out_of_fold": lake.write(
            f"reports/{run_id}/out_of_fold.parquet", to_parquet(outcome.out_of_fold)
        ),
        "made_from": made_from,
    }
    logged = _log(context, outcome, files, gold, report)
    lake.write_json(f"reports/{run_id}/train.json", report | logged)
    context.registry.end_run(logged["mlflow_run_id"])
    _show(report)


def train_candidate(
    train: TrainingData, validation: TrainingData, settings: TrainSettings, seed: int
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
        cross_validation=selection.estimate_metrics(train.label, folds, seed),
        validation=compute_metrics(
            validation.label, trial.score(validation.rows), selection.RESAMPLES, seed
        ),
        out_of_fold=_out_of_fold(train.label, folds),
        final=selection.fit_calibrated(final, both, settings.folds, seed),
        learned_from=both,
    )


def to_training_data(frame: pd.DataFrame) -> TrainingData:
    return TrainingData(
        frame[list(FEATURE_NAMES)].to_numpy(np.float32), frame[LABEL.name].to_numpy(np.int64)
    )


def _already_trained(context: Context, made_from: dict[str, Any]) -> str | None:
    """The finished MLflow run that an earlier training of the same inputs left, if any."""
    key = f"reports/{context.run_id}/train.json"
    report = context.lake.read_json(key) if context.lake.exists(key) else {}
    run = str(report.get("mlflow_run_id"))
    return (
        run if report.get("made_from") == made_from and context.registry.is_finished(run) else None
    )


def _log(
    context: Context,
    outcome: TrainingResult,
    files: dict[str, bytes],
    gold: dict[str, Any],
    report: dict[str, Any],
) -> dict[str, str]:
    """Leaves the MLflow run, not finished yet; its id and the model's URI."""
    registry, settings, rows = context.registry, context.settings, outcome.learned_from.rows
    run = registry.start_run(
        f"train {context.run_id}", {"pipeline_run_id": context.run_id, "stage": "train"}
    )
    lineage = Lineage(
        pipeline_run_id=context.run_id,
        bronze=gold["bronze"],
        silver=gold["silver"],
        gold=report["made_from"]["gold"],
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
    metrics |= {"onnx_difference": report["onnx_difference"], "threshold": outcome.final.threshold}
    registry.log_run(run, metrics, params, lineage.tags())
    run_logging.log_inputs(registry, run, context.lake, gold)
    registry.log_artifacts(run, {**files, MANIFEST: manifest.to_bytes()}, ARTIFACT_FOLDER)
    return {
        "mlflow_run_id": run,
        "model_uri": run_logging.log_model(registry, run, outcome.final.model, rows[:3]),
    }


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


def _plain(metrics: dict[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: metric.model_dump() for name, metric in metrics.items()}


def _show(report: dict[str, Any]) -> None:
    ranking = (
        (name, f"{area:.3f}", "chosen" if name == report["candidate"] else "")
        for name, area in report["ranking"].items()
    )
    print_table("Candidates, by cross-validation on train", ("candidate", "ROC AUC", ""), ranking)
    found = report["cross_validation"]
    area, recall, balanced = (
        f"{found[name]['value']:.3f} ({found[name]['low']:.3f} to {found[name]['high']:.3f})"
        for name in ("roc_auc", "recall", "balanced_accuracy")
    )
    echo(
        f"train: {report['candidate']}, threshold {report['threshold']:.4g}; ONNX differs by {report['onnx_difference']:.1g}"
    )
    echo(
        f"train: such a choice is worth ROC AUC {area}, recall {recall}, balanced accuracy {balanced} on rows it has not seen"
    )
