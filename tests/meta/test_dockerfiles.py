"""The Dockerfiles: what the images run as, and versions that appear elsewhere, too."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from k8s.images import get_base_tags, list_artifacts
from tests.support.dockerfile import get_defaults, read_dockerfile
from tests.support.helm import CHART, ROOT

DOCKERFILES = sorted((ROOT / "images").glob("*.Dockerfile"))


def test_every_dockerfile_is_built() -> None:
    """An artifact in skaffold.yaml builds each Dockerfile."""
    assert {artifact.dockerfile.resolve() for artifact in list_artifacts()} == set(DOCKERFILES)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_has_no_root_user_and_no_build_tools(path: Path) -> None:
    """The last build stage starts from a plain base, only copies files, and sets a numeric user."""
    last = read_dockerfile(path)[-1]
    assert last.base in ("${PYTHON}", "scratch")
    assert last.get("USER") == ["10001:10001"]
    assert last.get("RUN") == []
    assert all(
        source.startswith(("--from=builder ", "--from=code ")) for source in last.get("COPY")
    )


def test_base_images_have_a_digest_unless_no_registry_can_be_reached() -> None:
    """A digest cannot change. Images that this machine built itself are used by their tags."""
    for artifact in list_artifacts():
        bases = get_base_tags(artifact)
        defaults = get_defaults(artifact.dockerfile)
        named = {stage.base for stage in read_dockerfile(artifact.dockerfile)} - {"", "scratch"}
        stages = {stage.name for stage in read_dockerfile(artifact.dockerfile)}
        assert named - stages == {f"${{{name}}}" for name in bases}
        for name, tag in bases.items():
            assert re.fullmatch(rf"{re.escape(tag)}@sha256:[0-9a-f]{{64}}", defaults[name])


def test_the_layers_are_the_shared_dependency_groups() -> None:
    """A stage's image installs and copies the shared groups in the order of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = ["array", "frame", "science", "onnx", "tracking", "dask"]
    assert set(shared) <= project["dependency-groups"].keys()
    stages = {stage.name: stage for stage in read_dockerfile(ROOT / "images" / "stage.Dockerfile")}
    assert f"python /layers.py shared base {' '.join(shared)}" in stages["builder"].get("RUN")
    copied = [re.search(r"/image/(\w+)/ /$", source) for source in stages[""].get("COPY")]
    assert [match and match[1] for match in copied] == ["base", *shared, "rest", "code"]


@pytest.mark.parametrize("extra", ["", "lightgbm"])
def test_an_image_of_a_stage_can_have_further_groups(extra: str) -> None:
    """The build argument EXTRA_GROUPS adds dependency groups to that of the stage."""
    stages = {stage.name: stage for stage in read_dockerfile(ROOT / "images" / "stage.Dockerfile")}
    (command,) = (run for run in stages["lock"].get("RUN") if "${STAGE}" in run)
    arguments = {"STAGE": "train", "EXTRA_GROUPS": extra, "EXPORT": "echo"}
    done = subprocess.run(
        ["sh", "-c", command], env=arguments, check=True, capture_output=True, text=True
    )
    groups = re.findall(r"--group (\w+)", done.stdout)
    assert groups == ["train", *extra.split()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(groups) <= project["dependency-groups"].keys()


def test_versions_are_the_same_everywhere() -> None:
    """The images use the Makefile's uv; kind-from-source makes the base images that they name."""
    defaults = [get_defaults(path) for path in DOCKERFILES]
    makefile = re.findall(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {values["UV"] for values in defaults if "UV" in values} == set(makefile)
    (python,) = {values["PYTHON"] for values in defaults if "PYTHON" in values}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    postgresql = values["images"]["postgresql"]["tag"]
    build = (ROOT / "contrib" / "kind-from-source" / "build").read_text()
    assert f"image {python.partition('@')[0]} images/python" in build
    assert f"image postgres:{postgresql} images/postgres" in build
