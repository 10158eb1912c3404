"""What the DAGs and the stages' pods are given."""

from __future__ import annotations

import json
from typing import Any

import yaml

from pipeline.settings import Settings
from pipeline.stages import STAGES
from tests.support.helm import CHART, NAMESPACE, Values, find, render
from tests.support.pods_file import make_pods_file


def pods(values: Values | None = None, file: str | None = None) -> Any:
    return json.loads(find(render(values, file=file), "ConfigMap", "pods")["data"]["pods.json"])


def test_values_hold_the_stage_table() -> None:
    """Values and schema name the stages of pipeline/stages/__init__.py, no more and no fewer."""
    table = {stage.name for stage in STAGES}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["stages"].keys() == table
    assert table <= values["images"].keys()
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    assert schema["stages"]["properties"].keys() == table
    assert schema["images"]["properties"].keys() == values["images"].keys()


def test_pods_file_has_the_shape_that_the_dags_read() -> None:
    """The rendered file has the keys, and the types, of the one that the DAGs' own tests are given."""
    free = ("labels", "secrets", "nodeSelector", "tolerations")

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items() if key not in free}
        return type(value)

    assert shape(pods()) == shape(make_pods_file())


def test_pods_file() -> None:
    """The file names the release's own account, settings and keys, and a stage's own resources."""
    given = pods(
        {
            "stages": {"train": {"resources": {"requests": {"cpu": "2", "memory": "3Gi"}}}},
            "scheduling": {"nodeSelector": {"school/pool": "ml"}},
        }
    )
    assert given["namespace"] == NAMESPACE
    assert given["service_account"] == "student-mlops-stage"
    assert given["env_from"] == {
        "config_maps": ["student-mlops-settings"],
        "secrets": ["student-mlops-objectstore"],
    }
    assert given["stages"]["train"]["resources"]["requests"] == {"cpu": "2", "memory": "3Gi"}
    assert given["scheduling"] == {"nodeSelector": {"school/pool": "ml"}, "tolerations": []}
    assert given["labels"] == {
        "app.kubernetes.io/name": "student-mlops",
        "app.kubernetes.io/instance": "student-mlops",
        "app.kubernetes.io/component": "stage",
    }


def test_no_timetable_is_null() -> None:
    """A timetable that values take away is there as null, which the DAGs read as none."""
    assert pods({"dags": {"schedules": {"training": None}}})["schedules"] == {
        "training": None,
        "drift": "0 5 * * *",
    }
    assert pods(file="values-kind.yaml")["schedules"] == {"training": None, "drift": None}


def test_settings_are_ones_the_stages_take() -> None:
    """A stage accepts the settings of its pod, the predictor's included; integers keep their digits."""
    values = {
        "settings": {
            "MLOPS_INGEST__MAX_BYTES": 3000000000,
            "MLOPS_GATES__MAX_ONNX_DIFFERENCE": 1e-6,
            "MLOPS_SEED": 3,
            "MLOPS_PREDICTOR__MAX_ROWS": 50,
        }
    }
    given = find(render(values), "ConfigMap", "settings")["data"]
    settings = Settings.load(
        {name: value for name, value in given.items() if name.startswith("MLOPS_")}
    )
    assert (settings.ingest.max_bytes, settings.gates.max_onnx_difference, settings.seed) == (
        3_000_000_000,
        1e-6,
        3,
    )
    assert settings.lake.url == "s3://"
    assert settings.lake.endpoint == "http://student-mlops-minio:9000"
    assert settings.mlflow.tracking_uri == "http://student-mlops-mlflow:5000"


def test_the_stages_account_may_nothing() -> None:
    """No role is bound to the account of the stages' pods, and it mounts no token."""
    manifests = render()
    account = find(manifests, "ServiceAccount", "stage")
    assert account["automountServiceAccountToken"] is False
    bound = {
        subject["name"]
        for item in manifests
        if item["kind"] == "RoleBinding"
        for subject in item["subjects"]
    }
    assert "student-mlops-stage" not in bound
