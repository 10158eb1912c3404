"""What the chart tells the DAGs and the stages' pods."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml

from dags.pod_spec import build_pod
from pipeline.settings import Settings
from pipeline.stages import COMMAND_TASKS, STAGES
from tests.support.chart_scenarios import WORKERS
from tests.support.helm import CHART, NAMESPACE, find, get_pods_file, get_secret_names, render
from tests.support.pods_file import make_pods_file


def test_the_pods_file_has_the_format_that_the_dags_read() -> None:
    """The rendered file has the keys and types of the file in the DAGs' own tests."""
    free = ("labels", "secrets", "nodeSelector", "tolerations", "variables")

    def get_format(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: get_format(item) for key, item in value.items() if key not in free}
        return type(value)

    assert get_format(get_pods_file(render(WORKERS))) == get_format(make_pods_file())


def test_an_approval() -> None:
    """With the value, the DAGs wait for a person, and `promote` requires the name."""
    manifests = render({"deployment": {"approval": {"enabled": True, "timeoutHours": 5}}})
    assert get_pods_file(manifests)["approval"] == {"enabled": True, "timeout_hours": 5}
    settings = find(manifests, "ConfigMap", "settings")["data"]
    assert Settings.load(settings).deployment.require_approval
    assert get_pods_file(render())["approval"]["enabled"] is False
    assert not Settings.load(
        find(render(), "ConfigMap", "settings")["data"]
    ).deployment.require_approval


def test_default_resources() -> None:
    """By default a stage's pod has the resources of its row in the stage table."""
    stages = get_pods_file(render())["stages"]
    for stage in STAGES:
        resources = stages[stage.name]["resources"]
        assert resources["requests"]["cpu"] == stage.resources.cpu
        assert resources["requests"]["memory"] == stage.resources.memory
        assert resources["limits"]["memory"] == stage.resources.memory_limit


def test_the_pods_file() -> None:
    """The file names the release's account, settings and keys, and has the values' resources."""
    values = {
        "stages": {"train": {"resources": {"requests": {"cpu": "2", "memory": "3Gi"}}}},
        "scheduling": {"nodeSelector": {"school/pool": "ml"}},
    }
    pods = get_pods_file(render(values))
    assert pods["namespace"] == NAMESPACE
    assert pods["config_maps"] == ["student-mlops-settings"]
    commands = {command.name for command in COMMAND_TASKS}
    for name, stage in pods["stages"].items():
        assert stage["service_account"] == "student-mlops-stage"
        identity = "answers" if name in commands else name
        assert stage["secrets"] == [f"student-mlops-s3-{identity}"]
    assert pods["stages"]["train"]["resources"]["requests"] == {"cpu": "2", "memory": "3Gi"}
    assert pods["scheduling"] == {"nodeSelector": {"school/pool": "ml"}, "tolerations": []}
    assert pods["labels"] == {
        "app.kubernetes.io/name": "student-mlops",
        "app.kubernetes.io/instance": "student-mlops",
        "app.kubernetes.io/component": "stage",
    }


def test_only_ingest_gets_the_secret_of_the_pseudonyms() -> None:
    """The chart generates it or takes an existing one; no other pod's environment refers to it."""
    for values, name in (
        ({}, "student-mlops-pseudonyms"),
        ({"pseudonyms": {"existingSecret": "mine"}}, "mine"),
    ):
        manifests = render(values)
        pods = get_pods_file(manifests)
        for stage in STAGES:
            spec = build_pod(stage, [], pods)["spec"]
            is_used = name in get_secret_names(spec, spec["containers"][0])
            assert is_used is (stage.name == "ingest"), stage.name
        others = [item for item in manifests if item["kind"] not in ("Secret", "ConfigMap")]
        assert name not in json.dumps(others)
    data = find(render(), "Secret", "pseudonyms")["data"]
    assert len(base64.b64decode(data["MLOPS_INGEST__KEY_SECRET"])) == 64


def test_no_schedule_is_null() -> None:
    """A schedule that the values remove is null in the file."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["dags"]["schedules"]
    values = {"dags": {"schedules": {"training": None}}}
    assert get_pods_file(render(values))["schedules"] == defaults | {"training": None}
    kind = get_pods_file(render(file="values-kind.yaml"))
    assert kind["schedules"] == dict.fromkeys(defaults)


def test_settings_are_valid() -> None:
    """The stages' settings accept their pods' environment, and whole numbers keep their digits."""
    values = {
        "settings": {
            "MLOPS_INGEST__MAX_BYTES": 3000000000,
            "MLOPS_GATES__MAX_ONNX_DIFFERENCE": 1e-6,
            "MLOPS_SEED": 3,
        }
    }
    environment = find(render(values), "ConfigMap", "settings")["data"]
    settings = Settings.load(
        {name: value for name, value in environment.items() if name.startswith("MLOPS_")}
    )
    assert settings.ingest.max_bytes == 3_000_000_000
    assert settings.gates.max_onnx_difference == 1e-6
    assert settings.seed == 3
    assert settings.lake.url == "s3://"
    assert settings.lake.endpoint == "http://student-mlops-minio:9000"
    assert settings.mlflow.tracking_uri == "http://student-mlops-mlflow-internal:5000"


def test_the_stages_account_has_no_rights() -> None:
    """No role is bound to the stages' account, and it mounts no token."""
    manifests = render()
    account = find(manifests, "ServiceAccount", "stage")
    assert account["automountServiceAccountToken"] is False
    subjects = {
        subject["name"]
        for item in manifests
        if item["kind"] == "RoleBinding"
        for subject in item["subjects"]
    }
    assert "student-mlops-stage" not in subjects
