"""The pod that runs the pipeline's commands by hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from tests.chart.rendering import ROOT, render


@pytest.fixture
def manifests(helm: str) -> dict[str, Any]:
    """The data of the chart's ConfigMaps, by their names without the release's."""
    found = [manifest for manifest in render() if manifest and manifest["kind"] == "ConfigMap"]
    return {manifest["metadata"]["name"].removeprefix("student-mlops-"): manifest["data"] for manifest in found}


@pytest.fixture
def pod(manifests: dict[str, Any]) -> Any:
    return json.loads(manifests["by-hand"]["pod.json"])


def test_it_is_a_stage_pod(manifests: dict[str, Any], pod: Any) -> None:
    """It has the image, settings, keys, account and labels of a stage's pod, so that it reaches what stages reach."""
    stages = json.loads(manifests["pods"]["pods.json"])
    (container,) = pod["spec"]["containers"]
    assert container["image"] == stages["stages"]["validate"]["image"]
    assert {source["configMapRef"]["name"] for source in container["envFrom"] if "configMapRef" in source} == set(
        stages["env_from"]["config_maps"]
    )
    assert {source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source} <= set(
        stages["env_from"]["secrets"]
    )
    assert pod["spec"]["serviceAccountName"] == stages["service_account"]
    assert pod["metadata"]["labels"].items() >= stages["labels"].items()


def test_the_documented_command_makes_that_pod(pod: Any) -> None:
    """`kubectl run` as the page writes it lays our pod over its own: one container, ours, with the command's words."""
    kubectl = shutil.which("kubectl") or shutil.which("kubectl", path=str(ROOT / "local" / "tools"))
    if kubectl is None:
        pytest.skip("kubectl is neither on PATH nor in local/tools; `make tools` installs it")
    page = (ROOT / "docs" / "how-to" / "roll-back.md").read_text()
    command = re.search(r"kubectl -n student-mlops run .*?-- rollback", page, re.DOTALL)
    assert command is not None
    words = command[0].replace("\\\n", " ").split("--overrides=")[0].split()
    name = words[words.index("run") + 1]
    options = [word for word in words[words.index(name) + 1 :] if word not in ("--rm", "-i")]  # those need a cluster
    run = [kubectl, "run", name, *options, f"--overrides={json.dumps(pod)}", "--dry-run=client", "-o", "json", "--"]
    made = json.loads(subprocess.run([*run, "rollback", "--to", "3"], check=True, capture_output=True).stdout)
    (container,) = made["spec"]["containers"]
    assert container["args"] == ["rollback", "--to", "3"]
    assert container["image"] == pod["spec"]["containers"][0]["image"]
    assert made["spec"]["restartPolicy"] == "Never"
    assert made["spec"]["securityContext"]["runAsNonRoot"] is True
