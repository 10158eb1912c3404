"""Airflow's templates."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest

from tests.support.helm import Manifest, container, containers, find, names, render, variables

WORKLOADS = {
    "api-server": ("Deployment", "airflow-api-server"),
    "scheduler": ("StatefulSet", "airflow-scheduler"),
    "dag-processor": ("Deployment", "airflow-dag-processor"),
}


@pytest.mark.parametrize("part", WORKLOADS)
def test_parts_share_settings_and_secrets(part: str) -> None:
    """All parts have the same variables and the same keys: tasks' tokens that one part makes are read by another."""
    workload = find(render(), *WORKLOADS[part])
    first = container(find(render(), *WORKLOADS["scheduler"]))
    assert variables(container(workload)) == variables(first)
    assert container(workload)["envFrom"] == [{"configMapRef": {"name": "student-mlops-airflow"}}]
    assert variables(first).keys() == {
        "PGPASSWORD",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__API__SECRET_KEY",
    }


def test_tasks_find_the_api() -> None:
    """The scheduler's tasks are told the api-server's Service, and that Service selects its pods."""
    manifests = render()
    settings = find(manifests, "ConfigMap", "airflow")["data"]
    assert (
        settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
        == "http://student-mlops-airflow-api-server:8080/execution/"
    )
    service = find(manifests, "Service", "airflow-api-server")
    pod = find(manifests, *WORKLOADS["api-server"])["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_the_scheduler_has_a_name_for_its_logs() -> None:
    """The api-server fetches tasks' logs by the scheduler's pod's name, which the headless Service resolves, ready or not."""
    manifests = render()
    scheduler = find(manifests, *WORKLOADS["scheduler"])
    service = find(
        manifests, "Service", scheduler["spec"]["serviceName"].removeprefix("student-mlops-")
    )
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert {"name": "logs", "containerPort": 8793} in container(scheduler)["ports"]


def test_nobody_waits_for_a_hook() -> None:
    """The scheduler migrates the database in an init container, the others wait for it in theirs; only `helm test` has hooks."""
    manifests = render()
    commands = {
        part: containers(find(manifests, *place)["spec"]["template"]["spec"])[0]
        for part, place in WORKLOADS.items()
    }
    assert commands["scheduler"]["command"][-2:] == ["db", "migrate"]
    for part in ("api-server", "dag-processor"):
        assert "check-migrations" in commands[part]["command"]
    hooks = {item["metadata"].get("annotations", {}).get("helm.sh/hook") for item in manifests}
    assert hooks == {None, "test"}


@pytest.mark.parametrize("part", WORKLOADS)
def test_a_missing_database_is_waited_for(part: str) -> None:
    """No part crashes while the database is away, which would make Kubernetes pause longer each time."""
    spec = find(render(), *WORKLOADS[part])["spec"]["template"]["spec"]
    first, last = spec["initContainers"][0], spec["containers"][0]
    for item in (first, last):
        assert item["command"][:4] == [
            "python",
            "/opt/student-mlops/wait_for.py",
            "student-mlops-postgresql",
            "5432",
        ]


def test_the_schedulers_rights_are_the_least() -> None:
    """Starting, watching and deleting pods, reading their logs and events: nothing else, and in this namespace only."""
    manifests = render()
    given = find(manifests, "Role", "airflow-scheduler")["rules"]
    rules = {resource: set(rule["verbs"]) for rule in given for resource in rule["resources"]}
    assert all(rule["apiGroups"] == [""] for rule in given)
    assert rules == {
        "pods": {"create", "get", "list", "watch", "delete", "patch"},
        "pods/log": {"get"},
        "events": {"list", "watch"},
    }
    assert names(manifests, "ClusterRole") == names(manifests, "ClusterRoleBinding") == []
    binding = find(manifests, "RoleBinding", "airflow-scheduler")
    assert binding["roleRef"]["name"] == "student-mlops-airflow-scheduler"
    assert [subject["name"] for subject in binding["subjects"]] == [
        "student-mlops-airflow-scheduler"
    ]


def test_the_stages_pods_restart_nothing() -> None:
    """Another image, timetable or bound of a stage leaves Airflow's pods as they are: a task may be running."""
    changed = {
        "images": {"train": {"tag": "new"}},
        "dags": {"retries": 9, "schedules": {"drift": "@hourly"}},
        "settings": {"MLOPS_GATES__MIN_RECALL": 0.7},
    }
    for kind, name in WORKLOADS.values():
        assert find(render(changed), kind, name)["spec"] == find(render(), kind, name)["spec"]


def test_its_settings_restart_it() -> None:
    """What Airflow reads only when it starts restarts all its parts."""
    for kind, name in WORKLOADS.values():
        before, after = (
            find(render(values), kind, name) for values in ({}, {"airflow": {"parallelism": 9}})
        )
        assert (
            before["spec"]["template"]["metadata"]["annotations"]
            != after["spec"]["template"]["metadata"]["annotations"]
        )


def test_own_variables_go_in() -> None:
    """`airflow.env` adds to the settings, numbers and switches as words."""
    settings = find(
        render({"airflow": {"env": {"AIRFLOW__X__Y": 3, "AIRFLOW__X__Z": True}}}),
        "ConfigMap",
        "airflow",
    )["data"]
    assert (settings["AIRFLOW__X__Y"], settings["AIRFLOW__X__Z"]) == ("3", "true")


def test_the_fernet_key_is_one() -> None:
    """The generated key is 32 bytes in URL-safe base64, as Fernet wants it; no two secrets are the same."""
    secret: Manifest = find(render(), "Secret", "airflow")["data"]
    key = base64.b64decode(secret["fernet-key"])
    assert len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    assert all(first != second for first, second in pairwise(sorted(secret.values())))


def test_the_password_is_in_no_argument() -> None:
    """The administrator's password reaches the pod as a variable from the Secret, not as text of the manifest."""
    api_server = find(render(), *WORKLOADS["api-server"])["spec"]["template"]["spec"]
    passwords = api_server["initContainers"][1]
    assert variables(passwords)["ADMIN_PASSWORD"] == {
        "secretKeyRef": {"name": "student-mlops-airflow", "key": "admin-password"}
    }


def test_off() -> None:
    """Without Airflow nothing of it is left, and no policy for pods that nobody starts."""
    manifests = render({"airflow": {"enabled": False}})
    left = [item["metadata"]["name"] for item in manifests if "airflow" in item["metadata"]["name"]]
    assert left == []
    assert not any(
        name.startswith("student-mlops-stage") for name in names(manifests, "NetworkPolicy")
    )
