"""From an empty platform to a served model: one training run starts everything else."""

from __future__ import annotations

import json
from typing import Any

import httpx

from k8s.airflow import DagRun
from pipeline.model.bundle import Manifest
from pipeline.stages import get_dag_stages
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING
from tests.cluster.airflow_runs import wait_for_asset_run
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import FIRST, STUDENT, Platform, get_model
from tests.support.lake import read_json

RUN_ID = f"training-{FIRST}"


def read_stage_pods(platform: Platform) -> dict[str, Any]:
    """The pods' values that the chart gives to the DAGs, by stage."""
    configmap = platform.cluster.get("configmap", "student-mlops-pods")
    stages: dict[str, Any] = json.loads(configmap["data"]["pods.json"])["stages"]
    return stages


def test_every_training_stage_succeeded(platform: Platform, first: DagRun) -> None:
    """A run started over the REST API ends with every task green."""
    states = platform.airflow.get_states("training", first.run_id)
    assert states == {stage.name: "success" for stage in get_dag_stages("training")}


def test_every_stage_ran_in_its_own_image(platform: Platform, first: DagRun) -> None:
    """Each pod ran the image that the chart's values name for its stage; no two are the same."""
    pods = platform.stage_pods.get_pods(first)
    statuses = {stage: pod["status"]["containerStatuses"][0] for stage, pod in pods.items()}
    assert set(statuses) == {stage.name for stage in get_dag_stages("training")}
    configured = read_stage_pods(platform)
    for stage, status in statuses.items():
        assert status["image"].endswith(configured[stage]["image"]), stage
    assert len({status["imageID"] for status in statuses.values()}) == len(statuses)


def test_the_candidate_starts_the_deployment(platform: Platform, first: DagRun) -> None:
    """The asset that `register` emits starts the DAG `deployment`, which succeeds."""
    airflow = platform.airflow
    run = wait_for_asset_run(airflow, "deployment", first.started_at)
    states = airflow.get_states("deployment", run.run_id)
    assert states == {stage.name: "success" for stage in get_dag_stages("deployment")}
    (event,) = airflow.list_upstream_events("deployment", run.run_id)
    source = (event["source_dag_id"], event["source_run_id"], event["source_task_id"])
    assert source == ("training", FIRST, "register")


def test_the_version_is_in_production(platform: Platform, first: DagRun) -> None:
    """`production` is the version that the first run registered, or a later one."""
    version = next(
        version
        for version in platform.registry.list_versions()
        if version.tags["pipeline_run_id"] == RUN_ID
    )
    production = platform.registry.get_by_alias(PRODUCTION)
    assert production is not None
    assert int(production.number) >= int(version.number)
    assert platform.registry.get_by_alias(STAGING) is not None


def test_the_predictor_loads_it_without_a_restart(platform: Platform, first: DagRun) -> None:
    """The processes that had no model before the run serve its version after it."""
    wait_for_asset_run(platform.airflow, "deployment", first.started_at)
    production = platform.registry.get_by_alias(PRODUCTION)
    assert production is not None
    wait_for(
        "predictor with the version",
        lambda: get_model(platform.predictor)["version"] == production.number,
    )
    if platform.processes_before_first is not None:
        running = platform.list_predictor_processes()
        assert platform.processes_before_first.items() <= running.items()


def test_a_prediction_through_the_service(platform: Platform, first: DagRun) -> None:
    """/predict answers with the production version, in the body and in the header."""
    production = platform.registry.get_by_alias(PRODUCTION)
    assert production is not None
    response = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10)
    assert response.status_code == httpx.codes.OK, response.text
    answer = response.json()
    assert answer["model"]["version"] == production.number
    assert response.headers["X-Model-Version"] == production.number
    (prediction,) = answer["predictions"]
    probability = prediction["probability"]
    assert 0 <= probability <= 1
    assert prediction["label"] == ("fail" if probability >= answer["threshold"] else "pass")


def test_lineage_from_the_answer_to_the_raw_bytes(
    platform: Platform, lake: Lake, first: DagRun
) -> None:
    """Every hash from the answer to the raw file is that of the object now in MinIO."""
    registry = platform.registry
    model = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10).json()["model"]
    version = registry.get_version(str(model["version"]))
    assert version.run_id == model["run_id"]
    raw = registry.read_artifact(version.run_id, "serving/manifest.json")
    assert sha256_hex(raw) == version.tags[MANIFEST_TAG]
    manifest = Manifest(**json.loads(raw))
    for name, sha256 in manifest.files.items():
        data = registry.read_artifact(version.run_id, f"serving/{name}")
        assert sha256_hex(data) == sha256, name
    lineage = manifest.lineage
    run_id = lineage.pipeline_run_id
    for split, sha256 in lineage.gold.items():
        assert sha256_hex(lake.read(f"gold/{run_id}/{split}.parquet")) == sha256, split
    assert sha256_hex(lake.read(f"silver/{run_id}/rows.parquet")) == lineage.silver
    assert sha256_hex(lake.read(f"bronze/{lineage.bronze}.csv")) == lineage.bronze
    assert read_json(lake, f"silver/{run_id}/manifest.json")["bronze"] == lineage.bronze
    assert lineage.image == read_stage_pods(platform)["train"]["image"]


def test_logs_are_in_airflow(platform: Platform, first: DagRun) -> None:
    """The output of a stage is in its task's log after the pod was deleted."""
    assert "sha256" in platform.airflow.read_log("training", FIRST, "ingest")


def test_the_namespace_is_restricted(cluster: Cluster, first: DagRun) -> None:
    """All of this ran in a namespace that enforces the pod security standard `restricted`."""
    labels = cluster.get("namespace", cluster.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
