"""The pod that runs the pipeline's commands by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.helm import render


@pytest.fixture
def manifests(helm: str) -> dict[str, Any]:
    """The data of the chart's ConfigMaps, by their names without the release's."""
    found = [manifest for manifest in render() if manifest and manifest["kind"] == "ConfigMap"]
    return {
        manifest["metadata"]["name"].removeprefix("student-mlops-"): manifest["data"]
        for manifest in found
    }


@pytest.fixture
def pod(manifests: dict[str, Any]) -> Any:
    return json.loads(manifests["by-hand"]["pod.json"])


def test_it_is_a_stage_pod(manifests: dict[str, Any], pod: Any) -> None:
    """It has the image, settings, keys, account and labels of a stage's pod, so that it reaches what stages reach."""
    stages = json.loads(manifests["pods"]["pods.json"])
    (container,) = pod["spec"]["containers"]
    assert container["image"] == stages["stages"]["validate"]["image"]
    assert {
        source["configMapRef"]["name"]
        for source in container["envFrom"]
        if "configMapRef" in source
    } == set(stages["env_from"]["config_maps"])
    assert {
        source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source
    } <= set(stages["env_from"]["secrets"])
    assert pod["spec"]["serviceAccountName"] == stages["service_account"]
    assert pod["metadata"]["labels"].items() >= stages["labels"].items()
