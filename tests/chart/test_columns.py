"""The columns file that the values hold reaches every pod that reads it."""

from __future__ import annotations

from typing import Any

from pipeline.column_file.reader import parse_columns
from pipeline.columns import BUNDLED, COLUMNS
from pipeline.settings import Settings
from tests.support.helm import find, get_by_hand_pod, get_names, get_pods_file, render

TEXT = BUNDLED.read_text()
VALUES = {"columns": TEXT}
VOLUME = {"name": "columns", "configMap": {"name": "student-mlops-columns"}}
FOLDER = "/etc/student-mlops"
MOUNT = {"name": "columns", "mountPath": FOLDER, "readOnly": True}


def get_predictor(values: dict[str, Any]) -> Any:
    return find(render(values), "Deployment", "predictor")["spec"]["template"]


def test_the_file_is_in_a_config_map() -> None:
    """Its text is unchanged, and the settings name its place."""
    manifests = render(VALUES)
    data = find(manifests, "ConfigMap", "columns")["data"]
    assert data == {"columns.yaml": TEXT}
    assert parse_columns(data["columns.yaml"], "columns.yaml") == COLUMNS
    environment = find(manifests, "ConfigMap", "settings")["data"]
    assert environment["MLOPS_COLUMNS"] == f"{FOLDER}/columns.yaml"
    assert Settings.load({"MLOPS_COLUMNS": environment["MLOPS_COLUMNS"]}).columns


def test_pods_mount_it() -> None:
    """The predictor, the stages and the pod for commands by hand mount it read-only."""
    manifests = render(VALUES)
    assert get_pods_file(manifests)["columns"] == {
        "config_map": "student-mlops-columns",
        "folder": FOLDER,
    }
    for pod in (get_predictor(VALUES), get_by_hand_pod(manifests)):
        spec = pod["spec"]
        assert VOLUME in spec["volumes"]
        assert MOUNT in spec["containers"][0]["volumeMounts"]


def test_a_changed_file_restarts_the_predictor() -> None:
    """The predictor reads the file when it starts."""
    before, after = (
        get_predictor({"columns": text})["metadata"]["annotations"]["checksum/config"]
        for text in (TEXT, TEXT.replace("high: 100", "high: 99"))
    )
    assert before != after


def test_without_a_file_the_images_have_the_survey() -> None:
    """By default there is no ConfigMap, no volume and no variable."""
    manifests = render()
    assert "student-mlops-columns" not in get_names(manifests, "ConfigMap")
    assert get_pods_file(manifests)["columns"]["config_map"] == ""
    assert "MLOPS_COLUMNS" not in find(manifests, "ConfigMap", "settings")["data"]
    for spec in (get_predictor({})["spec"], get_by_hand_pod(manifests)["spec"]):
        assert "columns" not in {volume["name"] for volume in spec["volumes"]}
