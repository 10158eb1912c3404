"""skaffold.yaml, the stage table, the chart and the cluster's ports agree on the images."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s import access, cluster
from k8s import release as k8s_release
from k8s.images import list_artifacts, list_inputs, list_modules
from pipeline.stages import COMMAND_TASKS, DAGS, STAGES, get_task_modules
from tests.support.helm import ROOT, get_pods_file, render

COMPONENTS = ["predictor", "mlflow", "airflow", "minio", "oauth2-proxy"]
ARTIFACTS = {artifact.name: artifact for artifact in list_artifacts()}
STAGE_NAMES = [stage.name for stage in STAGES]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@cache
def get_inputs(name: str) -> set[str]:
    """Return the files that an image is built from, relative to the repository."""
    return {path.relative_to(ROOT).as_posix() for path in list_inputs(ARTIFACTS[name])}


def test_every_stage_and_component_has_an_artifact() -> None:
    """skaffold.yaml has one image per stage and one per component, and no others."""
    assert list(ARTIFACTS) == [*STAGE_NAMES, "worker", *COMPONENTS]
    for name in (*STAGE_NAMES, "worker"):
        assert ARTIFACTS[name].dockerfile == ROOT / "images" / "stage.Dockerfile"
        assert ARTIFACTS[name].arguments["STAGE"] == name
    for name in COMPONENTS:
        assert ARTIFACTS[name].dockerfile.resolve() == ROOT / "images" / f"{name}.Dockerfile"


def test_images_have_the_commands_that_run_in_them() -> None:
    """The image of `ingest` has the Job's command, that of `validate` those that people run."""
    assert "pipeline.commands.buckets" in list_modules(ARTIFACTS["ingest"])
    page = (ROOT / "docs" / "how-to" / "roll-back.md").read_text()
    in_airflow = {command.name for command in COMMAND_TASKS}
    by_hand = in_airflow | set(re.findall(r"^python -m pipeline (\w+)", page, re.MULTILINE))
    assert by_hand
    assert {f"pipeline.commands.{command}" for command in by_hand} <= set(
        list_modules(ARTIFACTS["validate"])
    )


def test_the_airflow_image_has_every_dag() -> None:
    """A DAG whose module is not in the image would not exist on the cluster."""
    assert {f"dags.{dag}" for dag in DAGS} <= set(list_modules(ARTIFACTS["airflow"]))


def test_the_workers_image_has_the_functions_that_stages_call_on_workers() -> None:
    """It holds the modules of the stage table, the commands of its pods, and no whole stage."""
    assert get_task_modules()
    assert {"pipeline.commands.dask", *get_task_modules()} <= set(list_modules(ARTIFACTS["worker"]))
    assert not any(f"pipeline/stages/{name}.py" in get_inputs("worker") for name in STAGE_NAMES)


def test_the_chart_runs_what_make_up_loads() -> None:
    """The chart names its images as `make up` and Skaffold tag them."""
    values = load(k8s_release.CHART / "values.yaml")
    images, registry = values["images"], values["image"]["registry"]
    assert set(images) == {*ARTIFACTS, "postgresql"}
    for name, artifact in ARTIFACTS.items():
        assert f"{registry}/{images[name]['repository']}" == artifact.image
    stages = get_pods_file(render())["stages"]
    for name in STAGE_NAMES:
        assert stages[name]["image"].rpartition(":")[0] == ARTIFACTS[name].image
    for command in COMMAND_TASKS:
        assert stages[command.name]["image"] == stages["validate"]["image"]


def test_skaffold_passes_every_image_to_the_chart() -> None:
    """The chart gets the reference of each artifact, because only the DAGs name most images.

    The digest is part of it: a commit that changes only a build argument gives an image new content
    under its old tag, and pods that are deployed by tag would keep the old content.
    """
    (release,) = load(ROOT / "skaffold.yaml")["deploy"]["helm"]["releases"]
    expected = {}
    for name, artifact in ARTIFACTS.items():
        suffix = re.sub(r"[/.:-]", "_", artifact.image)  # how Skaffold's templates name an artifact
        expected[f"images.{name}.repository"] = f"{{{{.IMAGE_REPO_{suffix}}}}}"
        expected[f"images.{name}.tag"] = f"{{{{.IMAGE_TAG_{suffix}}}}}"
        expected[f"images.{name}.digest"] = f"{{{{.IMAGE_DIGEST_{suffix}}}}}"
    assert release["setValueTemplates"] == expected
    assert release["setValues"] == {"image.registry": ""}
    assert release["name"] == release["namespace"] == cluster.NAMESPACE
    assert ROOT / release["chartPath"] == k8s_release.CHART


def test_references_of_skaffold_are_rendered() -> None:
    """The chart renders what Skaffold passes: a digest for a pushed image, else the image's id."""
    repository = "ghcr.io/school/localhost_student-mlops_train"
    digest = f"sha256:{'ab' * 32}"
    for reference, expected in (
        ({"tag": "abc", "digest": digest}, f"{repository}@{digest}"),
        ({"tag": "abc", "digest": ""}, f"{repository}:abc"),
    ):
        image = {"repository": repository, **reference}
        manifests = render({"image": {"registry": ""}, "images": {"train": image}})
        assert get_pods_file(manifests)["stages"]["train"]["image"] == expected


def test_skaffold_and_make_up_use_the_same_cluster() -> None:
    """The namespace, Skaffold's profile and `make up` agree on the cluster and its values."""
    namespace = load(ROOT / "k8s" / "namespace.yaml")
    assert namespace["metadata"]["name"] == cluster.NAMESPACE
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    profiles = {profile["name"]: profile for profile in load(ROOT / "skaffold.yaml")["profiles"]}
    assert profiles["kind"]["activation"] == [{"kubeContext": cluster.context()}]
    assert profiles["kind"]["patches"][0]["value"] == [str(k8s_release.VALUES.relative_to(ROOT))]


def test_every_interface_has_a_port_on_this_machine() -> None:
    """Each web interface has its own port, on 127.0.0.1 only."""
    mappings = cluster.read_config()["nodes"][0]["extraPortMappings"]
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}
    assert len(set(access.get_urls().values())) == len(mappings) == 5


def test_a_change_of_one_stage_rebuilds_one_image() -> None:
    """An image's inputs are its own stage and what that imports, not the other stages."""
    inputs = get_inputs("ingest")
    assert inputs >= {
        "pipeline/stages/ingest.py",
        "pipeline/storage/lake.py",
        "uv.lock",
        "images/stage.Dockerfile",
        "images/layers.py",
    }
    assert not inputs & {"pipeline/stages/train.py", "serving/app.py", "dags/training.py"}
    for name in STAGE_NAMES:
        module = f"pipeline/stages/{name}.py"
        assert [image for image in ARTIFACTS if module in get_inputs(image)] == [name]


@pytest.mark.parametrize(
    ("template", "stages"),
    [
        ("drift/page.html.j2", {"drift"}),
        ("reporting/base.html.j2", {"preprocess", "evaluate", "validate", "drift"}),
    ],
)
def test_a_template_rebuilds_only_the_stages_that_render_it(
    template: str, stages: set[str]
) -> None:
    """Other stages import modules of the same packages, but not the templates."""
    images = {name for name in STAGE_NAMES if f"pipeline/{template}" in get_inputs(name)}
    assert images == stages


@pytest.mark.parametrize("name", STAGE_NAMES)
def test_a_predictor_setting_does_not_rebuild_a_stage(name: str) -> None:
    """The predictor's settings are an input of its image, and not of a stage's."""
    assert "serving/settings.py" in get_inputs("predictor")
    assert "serving/settings.py" not in get_inputs(name)
