"""Select a model family, its settings and a threshold, and train the candidate.

Reads gold's train and validation splits. Nested cross-validation on train selects the candidate,
and estimates how good such a selection is and what baselines reach; the validation split, which no
selection has seen, checks it. The candidate and its threshold are then fitted on both splits.

Writes an MLflow run (parameters, metrics, the scikit-learn model, and `serving/` with ONNX,
pickle, refits and manifest) and `reports/<run_id>/{out_of_fold.parquet,train.json}`. The MLflow run
is marked finished last. A second run on the same gold, settings and code changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from pipeline.columns import COLUMNS_SHA256, FEATURE_NAMES
from pipeline.compute.fits import share_fits
from pipeline.console import echo
from pipeline.context import Context
from pipeline.data_check.report import read_data_check
from pipeline.memory import TableSize, check_memory, limit_processes
from pipeline.model import export
from pipeline.model.budget import COLUMNS
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Lineage, Manifest
from pipeline.model.calibration import fit_calibrated
from pipeline.model.metrics import flatten_metrics
from pipeline.model.selection import fit_and_score
from pipeline.model.training import TrainingResult, train_candidate
from pipeline.model.training_data import TrainingData, read_training_data
from pipeline.model.training_export import ExportedTraining, export_training
from pipeline.model.training_summary import print_report
from pipeline.settings import Settings
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.artifacts.training import TrainInputs, TrainReport
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.storage.layout import (
    DATA_CHECK,
    DATA_CHECK_PAGE,
    TRAINING_SPLITS,
    gold_manifest,
    out_of_fold,
    report_file,
    train_report,
)
from pipeline.storage.parquet import to_parquet
from pipeline.times import utc_now
from pipeline.tracking import run_logging
from pipeline.tracking.runs import PIPELINE_RUN_TAG

FITS = (fit_and_score, fit_calibrated)
"""What joblib calls in processes or on workers."""
DATA_CHECK_FOLDER = "data_check"
"""Folder of the data check among the artifacts of the MLflow run."""


def run(context: Context) -> None:
    """Train on the run's gold; write the MLflow run and the report.

    Raises:
        DataError: If a class is missing or has fewer rows than nested folds need.
        LakeError: If gold is missing or was modified.
        MemoryLimitError: If gold does not fit into memory.
        RegistryError: If MLflow does not respond.
    """
    from threadpoolctl import threadpool_limits

    lake, run_id, settings = context.lake, context.run_id, context.settings
    gold = lake.read_model(gold_manifest(run_id), GoldManifest)
    inputs = TrainInputs(
        gold={name: split.sha256 for name, split in gold.splits.items()},
        seed=settings.seed,
        code_version=settings.code_version,
        settings=settings.train,
    )
    if mlflow_run_id := _find_finished_training(context, inputs):
        echo(
            f"train: MLflow run {mlflow_run_id} already holds the candidate of this gold, "
            "these settings and this code"
        )
        return
    train, validation = read_training_rows(lake, gold, settings)
    limit_processes(train.rows.nbytes + validation.rows.nbytes)
    # Processes or workers share the fits. Threads of one would wait for each other at every tree.
    with threadpool_limits(1, user_api="openmp"), share_fits(context, FITS):
        result = _count_all_rows(train_candidate(train, validation, settings), train, gold)
        exported = export_training(result, settings)
    report = _store(context, result, exported, gold, inputs)
    context.registry.end_run(report.mlflow_run_id)
    check = read_data_check(lake, run_id)
    print_report(report, exported, check.sentences if check else ())


def read_training_rows(
    lake: Lake, gold: GoldManifest, settings: Settings
) -> tuple[TrainingData, TrainingData]:
    """Read the rows to train on, and those of the validation split.

    If the train split has more than MLOPS_TRAIN__MAX_ROWS rows, as many are sampled, and the same
    fraction of the validation split.

    Args:
        lake: The lake.
        gold: The manifest of the splits.
        settings: The seed and the section `train`.

    Raises:
        MemoryLimitError: If they do not fit into memory.
        LakeError: If a split is missing or was modified.
    """
    splits = {name: gold.list_parts(name) for name in TRAINING_SPLITS}
    max_rows = settings.train.max_rows
    fraction = min(1.0, max_rows / max(gold.splits["train"].rows, 1))
    bounds = {"train": max_rows, "validation": ceil(fraction * gold.splits["validation"].rows)}
    rows = sum(min(gold.splits[name].rows, bounds[name]) for name in splits)
    location = lake.url(gold_manifest(gold.run_id))
    size = TableSize(rows, len(gold.columns), COLUMNS)
    check_memory("train", size, location, "MLOPS_TRAIN__MAX_ROWS")
    train, validation = (
        read_training_data(lake, parts, bounds[name], settings.seed)
        for name, parts in splits.items()
    )
    return train, validation


def _count_all_rows(
    result: TrainingResult, train: TrainingData, gold: GoldManifest
) -> TrainingResult:
    """Number and count the rows of a sample in the splits that it was drawn from."""
    if train.numbers is None:
        return result
    rows = train.numbers[result.out_of_fold["row"]]
    counts = {name: gold.splits[name].rows for name in TRAINING_SPLITS}
    totals = {"train": counts["train"], "available": sum(counts.values())}
    return replace(
        result,
        out_of_fold=result.out_of_fold.assign(row=rows),
        rows_used=result.rows_used.model_copy(update=totals),
    )


def _find_finished_training(context: Context, inputs: TrainInputs) -> str | None:
    """The finished MLflow run of an earlier training on the same inputs, if any."""
    key = train_report(context.run_id)
    if not context.lake.exists(key):
        return None
    report = context.lake.read_model(key, TrainReport)
    unchanged = report.inputs == inputs and context.registry.is_finished(report.mlflow_run_id)
    return report.mlflow_run_id if unchanged else None


def _store(
    context: Context,
    result: TrainingResult,
    exported: ExportedTraining,
    gold: GoldManifest,
    inputs: TrainInputs,
) -> TrainReport:
    """Write the out-of-fold predictions, the MLflow run (left unfinished) and the report."""
    lake, run_id = context.lake, context.run_id
    out_of_fold_sha256 = lake.write(out_of_fold(run_id), to_parquet(result.out_of_fold))
    mlflow_run_id, model_uri = _fill_mlflow_run(context, result, exported, gold)
    report = TrainReport(
        family=result.candidate.family,
        candidate=result.candidate.name,
        parameters=result.candidate.parameters,
        threshold=result.final.threshold,
        ranking=result.ranking,
        standard_error=result.standard_error,
        rows_used=result.rows_used,
        baselines=result.baselines.metrics,
        rule=result.baselines.rule,
        gain_over_rule=result.baselines.gains,
        cross_validation=result.cross_validation,
        validation=result.validation,
        stability=result.stability,
        ablations=result.ablations,
        libraries=run_logging.get_library_versions(
            ("lightgbm",) if context.settings.train.lightgbm else ()
        ),
        onnx_difference=exported.onnx_difference,
        out_of_fold=out_of_fold_sha256,
        inputs=inputs,
        mlflow_run_id=mlflow_run_id,
        model_uri=model_uri,
    )
    lake.write_model(train_report(run_id), report)
    return report


def _fill_mlflow_run(
    context: Context, result: TrainingResult, exported: ExportedTraining, gold: GoldManifest
) -> tuple[str, str]:
    """Start and fill an MLflow run; return its ID and the model's URI."""
    registry = context.registry
    run = registry.start_run(
        f"train {context.run_id}", {PIPELINE_RUN_TAG: context.run_id, "stage": "train"}
    )
    manifest = _make_manifest(context, result, exported, gold, run)
    params = {
        "candidate": result.candidate.name,
        "family": result.candidate.family,
        **result.candidate.parameters,
        "seed": context.settings.seed,
        "rows": result.rows_used.fitted,
        **context.settings.train.model_dump(),
    }
    estimates = {
        "cross_validation": result.cross_validation,
        "validation": result.validation,
        "gain_over_rule": result.baselines.gains,
        **{
            f"baseline_{name.replace(' ', '_')}": values
            for name, values in result.baselines.metrics.items()
        },
    }
    metrics = {
        f"{prefix}_{name}": value
        for prefix, intervals in estimates.items()
        for name, value in flatten_metrics(intervals).items()
    }
    metrics |= {
        "onnx_difference": exported.onnx_difference,
        "threshold": result.final.threshold,
    }
    if result.stability:
        metrics["labels_changed"] = result.stability.mean_changed
    if data_check := read_data_check(context.lake, context.run_id):
        metrics |= data_check.to_metrics()
        pages = {
            name: context.lake.read(report_file(context.run_id, name))
            for name in (DATA_CHECK, DATA_CHECK_PAGE)
        }
        registry.log_artifacts(run, pages, DATA_CHECK_FOLDER)
    registry.log_run(run, metrics, params, manifest.lineage.tags())
    run_logging.log_inputs(registry, run, context.lake, gold)
    registry.log_artifacts(run, {**exported.files, MANIFEST: manifest.to_bytes()}, ARTIFACT_FOLDER)
    example = export.make_random_rows(3, context.settings.seed)
    return run, run_logging.log_model(registry, run, result.final.model, example)


def _make_manifest(
    context: Context,
    result: TrainingResult,
    exported: ExportedTraining,
    gold: GoldManifest,
    mlflow_run_id: str,
) -> Manifest:
    settings, rows = context.settings, result.data.rows
    return Manifest(
        name=context.registry.name,
        family=result.candidate.family,
        run_id=mlflow_run_id,
        created=utc_now(),
        threshold=result.final.threshold,
        features=list(FEATURE_NAMES),
        columns=COLUMNS_SHA256,
        files={name: sha256_hex(data) for name, data in exported.files.items()},
        lineage=Lineage(
            pipeline_run_id=context.run_id,
            bronze=gold.bronze,
            silver=gold.silver,
            gold={name: split.sha256 for name, split in gold.splits.items()},
            code_version=settings.code_version,
            image=settings.image,
        ),
        examples=export.make_examples(result.final.model, settings.seed),
        background=export.make_background(rows, settings.seed),
        has_no_rows=True,
        training=exported.facts,
        refits=exported.refits,
    )
