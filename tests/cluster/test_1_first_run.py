"""From an empty platform to a served model: one training run, started by hand; everything after it happens by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from pipeline.model.bundle import Manifest
from pipeline.stages import get_dag_stages
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import FIRST, STUDENT, Platform, model_of
from tests.cluster.timing import overhead, table

RUN_ID = f"training-{FIRST}"


def deployment_of(platform: Platform, first: dict[str, Any]) -> dict[str, Any]:
    return platform.airflow.wait_for_asset_run("deployment", first["start_date"])


def test_every_stage_of_training_succeeded(platform: Platform, first: dict[str, Any]) -> None:
    """A run started over the REST API ends with every task green."""
    assert platform.airflow.states("training", FIRST) == {
        stage.name: "success" for stage in get_dag_stages("training")
    }


def test_every_stage_ran_in_its_own_image(platform: Platform, first: dict[str, Any]) -> None:
    """The pods that ran were of as many images as there are stages, each the one that the chart's values name for it."""
    given = json.loads(platform.cluster.get("configmap", "student-mlops-pods")["data"]["pods.json"])
    pods = platform.watch.of_run(first)
    ran = {stage: pod["status"]["containerStatuses"][0] for stage, pod in pods.items()}
    assert set(ran) == {stage.name for stage in get_dag_stages("training")}
    for stage, status in ran.items():
        assert status["image"].endswith(given["stages"][stage]["image"]), stage
    assert len({status["imageID"] for status in ran.values()}) == len(ran)


def test_deployment_followed_by_itself(platform: Platform, first: dict[str, Any]) -> None:
    """The candidate that `register` emitted started the deployment, which went through."""
    run = deployment_of(platform, first)
    assert run["state"] == "success", platform.airflow.states("deployment", run["dag_run_id"])
    events = platform.airflow.events_of("deployment", run["dag_run_id"])
    assert [
        (event["source_dag_id"], event["source_run_id"], event["source_task_id"])
        for event in events
    ] == [("training", FIRST, "register")]
    expected = {stage.name: "success" for stage in get_dag_stages("deployment")}
    assert platform.airflow.states("deployment", run["dag_run_id"]) == expected


def test_the_version_is_in_production(platform: Platform, first: dict[str, Any]) -> None:
    """`production` is the version that the first run registered."""
    version = next(
        version
        for version in platform.registry.list_versions()
        if version.tags["pipeline_run_id"] == RUN_ID
    )
    production, staging = (platform.registry.get_by_alias(alias) for alias in (PRODUCTION, STAGING))
    assert production is not None
    assert int(production.number) >= int(version.number)
    assert staging is not None


def test_the_predictor_took_it_without_a_restart(platform: Platform, first: dict[str, Any]) -> None:
    """The processes that had nothing to serve before the run serve its version after it."""
    deployment_of(platform, first)
    production = platform.registry.get_by_alias(PRODUCTION)
    assert production is not None
    wait_for(
        "the predictor to serve it",
        lambda: model_of(platform.predictor)["version"] == production.number,
    )
    if platform.before_first is not None:
        assert platform.before_first.items() <= platform.predictor_processes().items()


def test_a_prediction_through_the_service(platform: Platform, first: dict[str, Any]) -> None:
    """`/predict` answers with the production version, in its body and its header."""
    production = platform.registry.get_by_alias(PRODUCTION)
    assert production is not None
    answer = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert (
        answer.json()["model"]["version"] == answer.headers["X-Model-Version"] == production.number
    )
    (prediction,) = answer.json()["predictions"]
    assert 0 <= prediction["fail_probability"] <= 1
    assert prediction["label"] == (
        "fail" if prediction["fail_probability"] >= answer.json()["threshold"] else "pass"
    )


def test_lineage_from_the_answer_to_the_raw_bytes(
    platform: Platform, lake: Lake, first: dict[str, Any]
) -> None:
    """Every hash on the way from an answer to the raw file is that of the object as it lies in MinIO now."""
    answer = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10).json()["model"]
    version = platform.registry.get_version(str(answer["version"]))
    assert version.run_id == answer["run_id"]
    raw = platform.registry.read_artifact(version.run_id, "serving/manifest.json")
    assert sha256_hex(raw) == version.tags[MANIFEST_TAG]
    manifest = Manifest(**json.loads(raw))
    assert {
        name: sha256_hex(platform.registry.read_artifact(version.run_id, f"serving/{name}"))
        for name in manifest.files
    } == (manifest.files)
    lineage = manifest.lineage
    run_id = lineage.pipeline_run_id
    for split, sha256 in lineage.gold.items():
        assert sha256_hex(lake.read(f"gold/{run_id}/{split}.parquet")) == sha256, split
    assert sha256_hex(lake.read(f"silver/{run_id}/students.parquet")) == lineage.silver
    assert sha256_hex(lake.read(f"bronze/{lineage.bronze}.csv")) == lineage.bronze
    assert lake.read_json(f"silver/{run_id}/manifest.json")["bronze"] == lineage.bronze
    given = json.loads(platform.cluster.get("configmap", "student-mlops-pods")["data"]["pods.json"])
    assert lineage.image == given["stages"]["train"]["image"]


def test_what_a_pod_adds(platform: Platform, first: dict[str, Any], capsys: Any) -> None:
    """Reported: each stage's time in Airflow beside its container's, and the time from the trigger to the served model."""
    run = deployment_of(platform, first)
    rows = [*overhead(platform, first), *overhead(platform, run)]
    with capsys.disabled():
        print("\n" + table(rows, first, run))  # noqa: T201 - the test's product
    place = Path("local/e2e/overhead.json")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([vars(row) for row in rows], indent=1))
    assert {row.stage for row in rows} == {
        stage.name for dag in ("training", "deployment") for stage in get_dag_stages(dag)
    }


def test_logs_are_in_airflow(platform: Platform, first: dict[str, Any]) -> None:
    """What a stage says is the log of its task, though its pod is gone."""
    assert "sha256" in platform.airflow.log("training", FIRST, "ingest")


def test_the_namespace_is_restricted(cluster: Cluster, first: dict[str, Any]) -> None:
    """All of this ran in a namespace that refuses every pod the `restricted` standard refuses."""
    labels = cluster.get("namespace", cluster.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
