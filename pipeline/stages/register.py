"""Registers the candidate, if every gate holds, as the version with the alias `staging`.

Reads `reports/<run_id>/evaluation.json` and the candidate's MLflow run. Completes the run's `serving/manifest.json` with
version, metrics and gates, tags the version with the manifest's hash and the candidate's lineage, and moves the alias.
Until a version is in production it also copies the model to the lake's `models/`, which predictors start from without MLflow;
later that is `promote`'s to do. Running it again makes no second version.
"""

from __future__ import annotations

from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import StageSkipped
from pipeline.evaluation import gates
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Bundle, write_fallback
from pipeline.storage.artifacts import EvaluationReport, TrainReport
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import MODELS, evaluation_report, train_report
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING, Registry, Version


def run(context: Context) -> None:
    """Registers what `train` made and `evaluate` judged.

    Raises:
        NothingToDo: a gate failed.
    """
    lake, registry, run_id = context.lake, context.registry, context.run_id
    trained = lake.read_model(train_report(run_id), TrainReport)
    evaluation = lake.read_model(evaluation_report(run_id), EvaluationReport)
    results = evaluation.gates
    if failed := gates.describe_failures(results):
        raise StageSkipped(
            f"the candidate of run {run_id} is not registered: {failed}; production stays as it is"
        )

    version = _version(registry, trained.mlflow_run_id, trained.model_uri)
    bundle = _complete(registry, version, evaluation)
    staged = registry.get_by_alias(STAGING)
    if staged is not None and int(staged.number) > int(version.number):
        echo(
            f"register: run {run_id} is version {version.number}; the newer version {staged.number} stays `{STAGING}`"
        )
        return
    registry.set_alias(STAGING, version.number)
    said = f"register: run {run_id} is version {version.number} of {registry.name}, `{STAGING}`"
    if registry.get_by_alias(PRODUCTION) is None:
        write_fallback(lake, bundle)
        said += f"; a copy is in {lake.url(MODELS)}"
    echo(said)


def _version(registry: Registry, run: str, model_uri: str) -> Version:
    """The MLflow run's version, made if there is none yet."""
    found = [version for version in registry.list_versions() if version.run_id == run]
    if found:
        return found[0]
    return registry.register(model_uri, run, registry.get_bundle(run).manifest.lineage.tags())


def _complete(registry: Registry, version: Version, evaluation: EvaluationReport) -> Bundle:
    """The version's bundle, its manifest with all that is known now; once the version is tagged with its hash it is final."""
    if sha256 := version.tags.get(MANIFEST_TAG):
        return registry.get_bundle(version.run_id, sha256)
    bundle = registry.get_bundle(version.run_id)
    manifest = bundle.manifest.model_copy(
        update={"version": version.number, "metrics": evaluation.metrics, "gates": evaluation.gates}
    )
    raw = manifest.to_bytes()
    registry.log_artifacts(version.run_id, {MANIFEST: raw}, ARTIFACT_FOLDER)
    registry.set_tag(version.number, MANIFEST_TAG, sha256_hex(raw))
    return Bundle(manifest, bundle.files)
