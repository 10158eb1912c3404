"""docs/how-to/add-a-stage.md, followed on a copy of the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import find, render
from tests.support.how_to import ROOT, Edit, copy_repository, read_edits

PAGE = ROOT / "docs" / "how-to" / "add-a-stage.md"
STAGE = "notify"

READ_IMAGE = """
import json
from k8s.images import list_artifacts, list_inputs, list_modules
artifact = {artifact.name: artifact for artifact in list_artifacts()}["notify"]
files = [path.relative_to(artifact.context).as_posix() for path in list_inputs(artifact)]
print(json.dumps({"image": artifact.image, "modules": list_modules(artifact), "files": files}))
"""

BUILD_POD = """
import json
from dags.pod_spec import build_labels, build_pod, load_config
from pipeline.stages import get_dag_stages
stage = {stage.name: stage for stage in get_dag_stages("training")}["notify"]
print(json.dumps([build_labels(stage, load_config()), build_pod(stage, [], load_config())]))
"""


@pytest.fixture(scope="module")
def edits() -> list[Edit]:
    return read_edits(PAGE)


@pytest.fixture(scope="module")
def copy(edits: list[Edit], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository to which the page's edits and `make docs` were applied."""
    root = copy_repository(tmp_path_factory.mktemp("copy") / "repository")
    for edit in edits:
        edit.apply(root)
    run(root, "-m", "docs.pages")
    return root


def run(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, with its modules and without this repository's."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={"PATH": "", "MLOPS_LAKE__URL": f"file://{root}/lake", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def test_four_edits_are_enough(edits: list[Edit]) -> None:
    """A stage costs at most four edits by hand."""
    assert len(edits) <= 4


def test_the_stage_runs(copy: Path) -> None:
    """The stage is a command, and the overview lists it."""
    assert "run try is registered" in run(copy, "-m", "pipeline", STAGE, "--run-id", "try").stderr
    assert f"\n  {STAGE} " in run(copy, "-m", "pipeline", "--help").stdout


def test_its_image_is_built(copy: Path) -> None:
    """`make up` and Skaffold build its image from the stage's module and what it imports."""
    image = json.loads(run(copy, "-c", READ_IMAGE).stdout)
    assert image["image"] == f"localhost/student-mlops/{STAGE}"
    assert f"pipeline.stages.{STAGE}" in image["modules"]
    assert f"pipeline/stages/{STAGE}.py" in image["files"]
    assert "pipeline/stages/register.py" not in image["files"]
    skaffold = yaml.safe_load((copy / "skaffold.yaml").read_text())
    (release,) = skaffold["deploy"]["helm"]["releases"]
    assert f"images.{STAGE}.repository" in release["setValueTemplates"]


def test_its_pod_is_rendered(copy: Path, tmp_path: Path) -> None:
    """The chart gives the DAG an image and resources from which it builds the pod."""
    manifests = render(chart=copy / "charts" / "student-mlops")
    (tmp_path / "pods.json").write_text(find(manifests, "ConfigMap", "pods")["data"]["pods.json"])
    output = run(copy, "-c", BUILD_POD, PODS_FILE=str(tmp_path / "pods.json")).stdout
    labels, pod = json.loads(output)
    container: dict[str, Any] = pod["spec"]["containers"][0]
    assert container["image"].startswith(f"localhost/student-mlops/{STAGE}:")
    assert container["resources"]["requests"]["memory"]
    assert labels["student-mlops/stage"] == STAGE


def test_the_documentation_lists_it(copy: Path) -> None:
    """README and the reference pages list the stage."""
    for page in ("README.md", "docs/reference/stages.md", "docs/reference/values.md"):
        assert f"`{STAGE}`" in (copy / page).read_text(), page
