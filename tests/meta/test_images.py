"""Images, stage table, chart values, skaffold.yaml, ports and documents say the same."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from images.layers import find_reachable
from k8s import access, cluster
from k8s import release as k8s_release
from k8s.images import Artifact, list_artifacts, list_inputs, list_modules
from k8s.process import ROOT
from pipeline.stages import STAGES

COMPONENTS = ["predictor", "mlflow", "airflow", "minio"]
ARTIFACTS = {artifact.name: artifact for artifact in list_artifacts()}
STAGE_NAMES = [stage.name for stage in STAGES]
DOCKERFILES = sorted((ROOT / "images").glob("*.Dockerfile"))

NOT_IMPORTED = {
    "fastapi-offline": "the predictor serves the files that it holds",
    "skops": "MLflow writes and reads scikit-learn models with it",
    "httptools": "uvicorn's faster parser, by name",
    "uvloop": "uvicorn's faster event loop, by name",
}
"""Direct dependencies that none of our modules imports, each with what it is for."""

ABSENT = {
    (
        "predictor",
        "sklearn",
    ): "only for a models/ folder that holds no ONNX: the group serving-pickle"
}
"""What an image's code can import and does without, with the reason."""


def skaffold() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return loaded


def chart_values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((k8s_release.CHART / "values.yaml").read_text())
    return loaded


@cache
def lock() -> dict[str, dict[str, Any]]:
    return {
        package["name"]: package
        for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    }


def direct(group: str | None) -> set[str]:
    """Packages that a dependency group names itself; those of the project for None."""
    project = lock()["student-mlops"]
    return {
        item["name"]
        for item in (project["dev-dependencies"][group] if group else project["dependencies"])
    }


def closure(names: set[str]) -> set[str]:
    """These packages and all they need, with whatever extras."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            package = lock()[name]
            extras = package.get("optional-dependencies", {})
            waiting += [item["name"] for item in package.get("dependencies", [])]
            waiting += [item["name"] for extra in extras.values() for item in extra]
    return found


def packages_imported(artifact: Artifact) -> dict[str, set[str]]:
    """What the image's code can import from elsewhere: top-level module -> packages that have it."""
    files, outside = find_reachable(list_modules(artifact), ROOT)
    # The context offers the registry to all, but only who asks it for that imports what the registry needs.
    own = [
        ROOT / file
        for file in files
        if file not in (Path("pipeline/context.py"), Path("pipeline/tracking/registry.py"))
    ]
    if not any(re.search(r"context\.registry\b|\bRegistry\b", path.read_text()) for path in own):
        outside -= {"requests", *(module for module in outside if module.split(".")[0] == "mlflow")}
    known = packages_distributions()
    tops = {module.split(".")[0] for module in outside} - sys.stdlib_module_names
    return {top: {name.lower().replace("_", "-") for name in known.get(top, [top])} for top in tops}


def group_of(artifact: Artifact) -> str:
    return "serving" if artifact.name == "predictor" else artifact.name


@pytest.mark.parametrize("name", [*STAGE_NAMES, "predictor"])
def test_an_image_holds_what_its_code_imports(name: str) -> None:
    """Every package that an image's code can import is in the image's dependency group."""
    present = closure(direct(group_of(ARTIFACTS[name])) | direct(None))
    missing = {
        top
        for top, packages in packages_imported(ARTIFACTS[name]).items()
        if not packages & present
    }
    assert not missing - {module for image, module in ABSENT if image == name}


@pytest.mark.parametrize("name", [*STAGE_NAMES, "predictor"])
def test_an_image_holds_nothing_that_its_code_does_not_import(name: str) -> None:
    """Every package that an image's dependency group names is imported by the image's code, or has its reason here."""
    imported = set().union(*packages_imported(ARTIFACTS[name]).values())
    assert direct(group_of(ARTIFACTS[name])) - imported - NOT_IMPORTED.keys() == set()


def test_every_stage_and_component_has_an_artifact() -> None:
    """skaffold.yaml builds one image for each stage, of the stage's name, and one for each component; no others."""
    assert list(ARTIFACTS) == [*STAGE_NAMES, *COMPONENTS]
    assert {artifact.image for artifact in list_artifacts()} == {
        f"localhost/student-mlops/{name}" for name in ARTIFACTS
    }
    for name in STAGE_NAMES:
        assert ARTIFACTS[name].dockerfile == ROOT / "images" / "stage.Dockerfile"
        assert ARTIFACTS[name].arguments["STAGE"] == name
    for name in COMPONENTS:
        assert ARTIFACTS[name].dockerfile.resolve() == ROOT / "images" / f"{name}.Dockerfile"


def test_images_hold_the_commands_that_the_chart_and_the_page_run_in_them() -> None:
    """`buckets` is the Job's, in the image of `ingest`; the commands by hand run in the image of `validate`."""
    assert "pipeline.commands.buckets" in list_modules(ARTIFACTS["ingest"])
    page = (ROOT / "docs" / "how-to" / "roll-back.md").read_text()
    by_hand = set(re.findall(r"^python -m pipeline (\w+)", page, flags=re.MULTILINE))
    assert {f"pipeline.commands.{command}" for command in by_hand} <= set(
        list_modules(ARTIFACTS["validate"])
    )


def test_every_dockerfile_is_built() -> None:
    """A Dockerfile that no artifact names is not there."""
    assert {artifact.dockerfile.resolve() for artifact in list_artifacts()} == set(DOCKERFILES)


def test_the_chart_runs_the_artifacts() -> None:
    """The chart's `images` are the artifacts, by the same names, and PostgreSQL's official one."""
    images, registry = chart_values()["images"], chart_values()["image"]["registry"]
    assert set(images) == {*ARTIFACTS, "postgresql"}
    assert {name: f"{registry}/{images[name]['repository']}" for name in ARTIFACTS} == {
        name: item.image for name, item in ARTIFACTS.items()
    }


def test_skaffold_hands_every_image_to_the_chart() -> None:
    """Repository and tag of each artifact reach the chart's value of its name: Skaffold cannot see images that only DAGs name."""
    (release,) = skaffold()["deploy"]["helm"]["releases"]
    expected = {}
    for name, artifact in ARTIFACTS.items():
        variable = re.sub(
            r"[/.:-]", "_", artifact.image
        )  # as Skaffold writes an artifact's name in a template
        expected[f"images.{name}.repository"] = f"{{{{.IMAGE_REPO_{variable}}}}}"
        expected[f"images.{name}.tag"] = f"{{{{.IMAGE_TAG_{variable}}}}}"
        expected[f"images.{name}.digest"] = f"{{{{.IMAGE_DIGEST_{variable}}}}}"
    assert release["setValueTemplates"] == expected
    assert release["name"] == release["namespace"] == cluster.NAMESPACE
    assert ROOT / release["chartPath"] == k8s_release.CHART


def test_names_of_the_cluster_agree() -> None:
    """The namespace's manifest, Skaffold's profile and the values of kind name the same cluster, namespace and files."""
    namespace = yaml.safe_load((ROOT / "k8s" / "namespace.yaml").read_text())
    assert namespace["metadata"]["name"] == cluster.NAMESPACE
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    profiles = {profile["name"]: profile for profile in skaffold()["profiles"]}
    assert profiles["kind"]["activation"] == [{"kubeContext": cluster.context()}]
    assert profiles["kind"]["patches"][0]["value"] == [str(k8s_release.VALUES.relative_to(ROOT))]


def test_every_node_port_is_mapped_to_this_machine_alone() -> None:
    """Each interface has a port on 127.0.0.1, and no two have the same."""
    mappings = cluster.read_config()["nodes"][0]["extraPortMappings"]
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}
    assert len(set(access.get_urls().values())) == len(mappings) == 5


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_and_holds_no_build_tool(dockerfile: Path) -> None:
    """The last stage begins from a plain base, installs nothing, and leaves the numeric user that the chart's pods have."""
    last = dockerfile.read_text().rpartition("\nFROM ")[2]
    assert last.splitlines()[0] in ("${PYTHON}", "scratch")
    assert "\nUSER 10001:10001\n" in last
    assert "\nRUN " not in last
    assert re.findall(r"^COPY (?!--from=(?:builder|code) )", last, flags=re.MULTILINE) == []


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_builds_with_the_classic_builder_too(dockerfile: Path) -> None:
    """Mounts, here-documents and links need BuildKit, which not every Docker has."""
    assert not re.search(
        r"^RUN .*(--mount|<<)|^COPY .*(--link|--chmod|<<)",
        dockerfile.read_text(),
        flags=re.MULTILINE,
    )


def arguments_of(name: str) -> Iterator[str]:
    """The defaults of a build argument, in all Dockerfiles that have it."""
    for dockerfile in DOCKERFILES:
        yield from re.findall(rf"^ARG {name}=(.+)$", dockerfile.read_text(), flags=re.MULTILINE)


def test_versions_are_the_same_everywhere() -> None:
    """One uv makes every environment; kind-from-source makes the very base images that Dockerfiles and chart name."""
    makefile = re.findall(
        r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE
    )
    assert set(arguments_of("UV")) == set(makefile)
    (python,) = set(arguments_of("PYTHON"))
    postgresql = chart_values()["images"]["postgresql"]
    made = (ROOT / "contrib" / "kind-from-source" / "build").read_text()
    assert f"image {python} images/python" in made
    assert f"image postgres:{postgresql['tag']} images/postgres" in made


def test_layers_are_those_of_the_shared_groups() -> None:
    """The stage's Dockerfile lays out and copies the shared dependency groups in the order in which pyproject.toml has them."""
    groups = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"])[:5]
    text = (ROOT / "images" / "stage.Dockerfile").read_text()
    assert re.findall(r"layers\.py shared base (.*)", text) == [" ".join(groups)]
    assert re.findall(r"for group in (.*);", text.replace("; do", ";\n")) == [" ".join(groups)]
    assert re.findall(r"/image/(\w+)/", text) == ["base", *groups, "rest", "code"]


def test_a_stage_is_built_again_only_for_what_it_imports() -> None:
    """Another stage's module is not among an image's inputs; its own and the shared ones are, and so is the lock."""
    files = {path.relative_to(ROOT).as_posix() for path in list_inputs(ARTIFACTS["ingest"])}
    assert {
        "pipeline/stages/ingest.py",
        "pipeline/storage/lake.py",
        "uv.lock",
        "images/stage.Dockerfile",
        "images/layers.py",
    } <= files
    assert (
        not {
            "pipeline/stages/train.py",
            "pipeline/stages/drift.py",
            "serving/app.py",
            "dags/training.py",
        }
        & files
    )


def test_a_template_rebuilds_only_the_stages_that_render_it() -> None:
    """The model card's template is an input of `evaluate`, although other stages import gates."""
    template = ROOT / "pipeline" / "evaluation" / "model_card" / "document.html.j2"
    skeleton = ROOT / "pipeline" / "reporting" / "base.html.j2"
    assert {name for name in STAGE_NAMES if template in list_inputs(ARTIFACTS[name])} == {
        "evaluate"
    }
    assert skeleton in list_inputs(ARTIFACTS["evaluate"])
    assert skeleton not in list_inputs(ARTIFACTS["ingest"])


@pytest.mark.parametrize("name", STAGE_NAMES)
def test_a_predictor_setting_does_not_rebuild_a_stage(name: str) -> None:
    """The predictor's own settings are an input of its image, and of no stage's."""
    settings = ROOT / "serving" / "settings.py"
    assert settings in list_inputs(ARTIFACTS["predictor"])
    assert settings not in list_inputs(ARTIFACTS[name])
