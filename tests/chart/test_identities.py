"""Who gets which keys of the object store."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from dags.pod_spec import build_pod
from pipeline.stages import COMMAND_TASKS, STAGES, get_identities
from pipeline.storage.access import SERVICES
from tests.support.chart_scenarios import (
    CLOUD,
    EXTERNAL,
    KEYS_OF_THEIR_OWN,
    MLFLOW_USERS,
    WORKERS,
)
from tests.support.helm import (
    Manifest,
    Values,
    find,
    get_by_hand_pod,
    get_containers,
    get_pod_specs,
    get_pods_file,
    get_secret_sources,
    render,
)

ADMINISTRATOR = "student-mlops-objectstore"


def list_pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the spec of every pod, by its identity, or by its name if it has none.

    These are the pods of the release, the pod for commands, and those that the DAGs create.
    """
    pods = dict(get_pod_specs(manifests))
    named = {
        "predictor": pods.pop("student-mlops-predictor"),
        "mlflow": pods.pop("student-mlops-mlflow"),
        "test": pods.pop("student-mlops-test-minio"),
        "retention": pods.pop("student-mlops-retention"),
        "commands": get_by_hand_pod(manifests)["spec"],
        "erasure": get_by_hand_pod(manifests, "erasure")["spec"],
    }
    if "student-mlops-dask-worker" in pods:
        named["worker"] = pods.pop("student-mlops-dask-worker")
    config = get_pods_file(manifests)
    for command in COMMAND_TASKS:
        named["answers"] = build_pod(command, [], config)["spec"]
    return pods | named | {stage.name: build_pod(stage, [], config)["spec"] for stage in STAGES}


def list_secrets(spec: Manifest) -> set[str]:
    """Return the Secrets of which a pod's containers get every key."""
    return {
        source["name"]
        for container in get_containers(spec)
        for source in get_secret_sources(spec, container)
        if "items" not in source
    }


def test_only_minio_and_its_job_have_the_administrators_keys() -> None:
    """No other pod refers to the administrator's Secret, in any way."""
    holders = {name for name, spec in list_pods(render()).items() if ADMINISTRATOR in str(spec)}
    assert {name.rpartition("-")[0] or name for name in holders} == {
        "student-mlops",
        "student-mlops-buckets",
    }
    assert "student-mlops-minio" in holders


def test_each_pod_has_the_keys_of_its_own_identity() -> None:
    """A pod gets the keys of one identity; the others get none.

    One container of the pod that deletes old data is MLflow's own, with the keys of MLflow.
    """
    pods = list_pods(render(WORKERS))
    for name, spec in pods.items():
        own = {secret for secret in list_secrets(spec) if "-s3-" in secret}
        expected = {f"student-mlops-s3-{name}"} if name in get_identities() else set()
        assert own == expected | ({"student-mlops-s3-mlflow"} if name == "retention" else set())
    assert get_identities().keys() - pods.keys() == {"backup"}


def test_every_identity_has_keys_and_becomes_a_user() -> None:
    """The chart generates keys for each identity, and the Job gets all of them as files."""
    manifests = render({"objectStore": {"sources": ["exports/*.csv", "b/c"]}})
    passwords = set()
    for name in get_identities():
        data = find(manifests, "Secret", f"s3-{name}")["data"]
        passwords.add(data["AWS_SECRET_ACCESS_KEY"])
    assert len(passwords) == len(STAGES) + len(SERVICES)
    job = next(item for item in manifests if item["kind"] == "Job")
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    folder = next(item for item in container["volumeMounts"] if item["name"] == "identities")
    assert container["args"] == [
        "buckets",
        f"--identities={folder['mountPath']}",
        "--source=exports/*.csv",
        "--source=b/c",
    ]
    volume = next(item for item in spec["volumes"] if item["name"] == "identities")
    files = {
        item["path"]: (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert files == {
        f"{name}/{key}": (f"student-mlops-s3-{name}", key)
        for name in get_identities()
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    }


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("train", KEYS_OF_THEIR_OWN, {"keys-of-train"}),
        ("train", EXTERNAL, {"store-keys"}),
        ("train", CLOUD, set()),
        ("mlflow", CLOUD, set()),
    ],
    ids=["own keys", "external", "cloud", "cloud, mlflow"],
)
def test_other_keys(name: str, values: Values, expected: set[str]) -> None:
    """Identities use existing Secrets, the keys of an external store, or none at all."""
    enabled = {"mlflow": {"enabled": True, "external": {"url": ""}}}
    secrets = list_secrets(list_pods(render({**values, **enabled}))[name])
    assert {secret for secret in secrets if "mlops-mlflow" not in secret} == expected


def test_an_identity_of_the_cloud() -> None:
    """Each pod runs under the annotated account of its identity, the Job under its own."""
    manifests = render(CLOUD | WORKERS)
    accounts = {
        item["metadata"]["name"]: item["metadata"].get("annotations", {})
        for item in manifests
        if item["kind"] == "ServiceAccount"
    }
    for name, spec in list_pods(manifests).items():
        if name in get_identities():
            annotations = accounts[spec["serviceAccountName"]]
            assert annotations == {"eks.amazonaws.com/role-arn": f"arn:aws:iam::1:role/{name}"}
    job = next(item for item in manifests if item["kind"] == "Job")
    account = job["spec"]["template"]["spec"]["serviceAccountName"]
    assert accounts[account]["eks.amazonaws.com/role-arn"].endswith("buckets")
    assert accounts["student-mlops"] == accounts["student-mlops-stage"] == {}


def test_an_identity_without_annotations_needs_no_account() -> None:
    """The pods share two accounts by default."""
    names = [item["metadata"]["name"] for item in render() if item["kind"] == "ServiceAccount"]
    assert sorted(names) == [
        "student-mlops",
        "student-mlops-airflow-scheduler",
        "student-mlops-stage",
    ]


def get_checksum(manifests: list[Manifest], kind: str, name: str) -> Any:
    template = find(manifests, kind, name)["spec"]["template"]
    return template["metadata"]["annotations"]["checksum/secrets"]


@pytest.mark.parametrize(
    ("kind", "name", "secrets"),
    [
        ("StatefulSet", "minio", ["objectstore"]),
        ("Deployment", "predictor", ["s3-predictor", "mlflow-reader"]),
        (
            "Deployment",
            "mlflow",
            ["s3-mlflow", "postgresql", "mlflow", *(f"mlflow-{name}" for name in MLFLOW_USERS)],
        ),
        ("Deployment", "airflow-api-server", ["airflow", "postgresql"]),
        ("Deployment", "airflow-dag-processor", ["airflow", "postgresql"]),
        ("StatefulSet", "airflow-scheduler", ["airflow", "postgresql"]),
        ("Deployment", "dask-scheduler", ["dask"]),
        ("Deployment", "dask-worker", ["s3-worker", "dask"]),
    ],
)
def test_a_changed_secret_restarts_what_reads_it(kind: str, name: str, secrets: list[str]) -> None:
    """A pod has the checksum of the data of its Secrets, those that are generated included."""
    manifests = render(WORKERS)
    data = {f"student-mlops-{one}": find(manifests, "Secret", one)["data"] for one in secrets}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert get_checksum(manifests, kind, name) == hashlib.sha256(text.encode()).hexdigest()
