"""Register the candidate as the version with the alias `staging`, if every gate passed.

Reads `reports/<run_id>/evaluation.json`, the data check and the candidate's MLflow run. Adds
version, metrics, gates and the findings of the data check to the run's `serving/manifest.json`,
tags the version with the manifest's hash and the candidate's lineage, moves the alias, and writes
the version into the model card. Until a version is in production, it also copies the model to the
lake's `models/`, from which predictors start when MLflow is down; after that, `promote` writes the
copy. Running it again registers no second version.
"""

from __future__ import annotations

from pipeline.console import echo
from pipeline.context import Context
from pipeline.data_check.report import DataCheck, read_data_check
from pipeline.deployment.card_updates import update_candidate_card
from pipeline.errors import StageSkipped
from pipeline.evaluation import gates
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Bundle, write_fallback
from pipeline.storage.artifacts.evaluation import EvaluationReport
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import MODELS, evaluation_report, train_report
from pipeline.times import utc_now
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING, Registry, Version


def run(context: Context) -> None:
    """Register the candidate of this run.

    Raises:
        StageSkipped: If a gate failed.
    """
    lake, registry, run_id = context.lake, context.registry, context.run_id
    training = lake.read_model(train_report(run_id), TrainReport)
    evaluation = lake.read_model(evaluation_report(run_id), EvaluationReport)
    if failures := gates.describe_failures(evaluation.gates):
        raise StageSkipped(
            f"the candidate of run {run_id} is not registered: {failures}; "
            "production does not change"
        )

    version = _find_or_register(registry, training.mlflow_run_id, training.model_uri)
    bundle = _complete_manifest(registry, version, evaluation, read_data_check(lake, run_id))
    staged = registry.get_by_alias(STAGING)
    if staged is not None and int(staged.number) > int(version.number):
        echo(
            f"register: run {run_id} is version {version.number}; "
            f"the newer version {staged.number} keeps the alias `{STAGING}`"
        )
        return
    registry.set_alias(STAGING, version.number)
    update_candidate_card(lake, version, utc_now())
    echo(f"register: run {run_id} is version {version.number} of {registry.name}, `{STAGING}`")
    if registry.get_by_alias(PRODUCTION) is None:
        write_fallback(lake, bundle)
        echo(f"register: a copy of the model is in {lake.url(MODELS)}")


def _find_or_register(registry: Registry, mlflow_run_id: str, model_uri: str) -> Version:
    """Return the version of the MLflow run, registered if there is none yet."""
    versions = [version for version in registry.list_versions() if version.run_id == mlflow_run_id]
    if versions:
        return versions[0]
    lineage = registry.get_bundle(mlflow_run_id).manifest.lineage
    return registry.register(model_uri, mlflow_run_id, lineage.tags())


def _complete_manifest(
    registry: Registry, version: Version, evaluation: EvaluationReport, check: DataCheck | None
) -> Bundle:
    """Add what is known since training to the manifest, and tag the version with its hash.

    A version that has the tag is complete and does not change any more.
    """
    if sha256 := version.tags.get(MANIFEST_TAG):
        return registry.get_bundle(version.run_id, sha256)
    bundle = registry.get_bundle(version.run_id)
    manifest = bundle.manifest.model_copy(
        update={
            "version": version.number,
            "metrics": evaluation.metrics,
            "gates": evaluation.gates,
            "cautions": check.sentences if check else [],
        }
    )
    raw = manifest.to_bytes()
    registry.log_artifacts(version.run_id, {MANIFEST: raw}, ARTIFACT_FOLDER)
    registry.set_tag(version.number, MANIFEST_TAG, sha256_hex(raw))
    return Bundle(manifest, bundle.files)
