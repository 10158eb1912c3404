"""The image of each pod."""

from __future__ import annotations

import re

import pytest

from pipeline.stages import COMMAND_TASKS, STAGES
from tests.support.chart_scenarios import KEYS_OF_THEIR_OWN, SCENARIOS
from tests.support.helm import (
    Manifest,
    Values,
    find,
    get_by_hand_pod,
    get_container,
    get_containers,
    get_names,
    get_pod_specs,
    get_pods_file,
    render,
)

APP_VERSION = "0.1.0"
LOCAL = "localhost/student-mlops"
POSTGRESQL = "docker.io/library/postgres"


def get_images(manifests: list[Manifest]) -> dict[str, str]:
    """Return the images of the stages and of the predictor."""
    images = {name: stage["image"] for name, stage in get_pods_file(manifests)["stages"].items()}
    predictor = get_container(find(manifests, "Deployment", "predictor"))
    return images | {"predictor": predictor["image"]}


def test_every_stage_has_an_image() -> None:
    """Each stage has an image of its own with the chart's appVersion; commands share one."""
    names = {name: name for name in (*(stage.name for stage in STAGES), "predictor")}
    names |= {task.name: "validate" for task in COMMAND_TASKS}
    images = {task: f"{LOCAL}/{name}:{APP_VERSION}" for task, name in names.items()}
    assert get_images(render()) == images


@pytest.mark.parametrize("scenario", ["defaults", "kind"])
def test_no_image_comes_from_a_registry_of_somebody_else(scenario: str) -> None:
    """By default nodes pull only PostgreSQL's official image; `localhost` is no registry."""
    values, file = SCENARIOS[scenario]
    manifests = render(values, file=file)
    specs = [spec for _, spec in get_pod_specs(manifests)]
    images = {item["image"] for spec in specs for item in get_containers(spec)}
    images |= set(get_images(manifests).values())
    images |= {item["image"] for item in get_by_hand_pod(manifests)["spec"]["containers"]}
    (other,) = {image for image in images if not image.startswith(f"{LOCAL}/")}
    assert re.split("[@:]", other)[0] == POSTGRESQL


def test_only_kind_uses_the_database_image_by_its_tag() -> None:
    """A digest cannot change; on kind, the local Docker may have built the image itself."""
    images = {}
    for scenario in ("defaults", "kind"):
        values, file = SCENARIOS[scenario]
        manifests = render(values, file=file)
        database = find(manifests, "StatefulSet", "postgresql")
        images[scenario] = get_container(database)["image"]
    assert re.fullmatch(rf"{POSTGRESQL}@sha256:[0-9a-f]{{64}}", images["defaults"])
    assert images["kind"] == f"{POSTGRESQL}:17-trixie"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"image": {"registry": "ghcr.io/school"}},
            f"ghcr.io/school/student-mlops/train:{APP_VERSION}",
        ),
        ({"image": {"registry": "ghcr.io/"}}, f"ghcr.io/student-mlops/train:{APP_VERSION}"),
        ({"image": {"tag": "v7"}}, f"{LOCAL}/train:v7"),
        ({"image": {"tag": "v7"}, "images": {"train": {"tag": "own"}}}, f"{LOCAL}/train:own"),
        (
            {"image": {"registry": "ghcr.io"}, "images": {"train": {"registry": ""}}},
            f"student-mlops/train:{APP_VERSION}",
        ),
        (
            {"images": {"train": {"registry": "", "repository": "localhost:5001/train"}}},
            f"localhost:5001/train:{APP_VERSION}",
        ),
        (
            {"image": {"tag": "v7"}, "images": {"train": {"digest": f"sha256:{'ab' * 32}"}}},
            f"{LOCAL}/train@sha256:{'ab' * 32}",
        ),
    ],
)
def test_own_values_of_an_image_override_the_common_ones(values: Values, expected: str) -> None:
    """An image's own registry and tag override the common ones; a digest replaces the tag."""
    assert get_images(render(values))["train"] == expected


def test_the_database_keeps_its_registry() -> None:
    """The common registry and tag do not apply to PostgreSQL's official image."""
    manifests = render({"image": {"registry": "ghcr.io/school", "tag": "v7"}})
    database = get_container(find(manifests, "StatefulSet", "postgresql"))
    assert database["image"].startswith(f"{POSTGRESQL}@sha256:")


def test_pull_policy_and_secrets_apply_to_every_pod() -> None:
    """Every pod has the pull policy and the registry's credentials, also those of stages."""
    manifests = render({"image": {"pullPolicy": "Always", "pullSecrets": ["registry"]}})
    for name, spec in get_pod_specs(manifests):
        assert spec["imagePullSecrets"] == [{"name": "registry"}], name
        assert {item["imagePullPolicy"] for item in get_containers(spec)} == {"Always"}
    pods = get_pods_file(manifests)
    assert (pods["image_pull_policy"], pods["image_pull_secrets"]) == ("Always", ["registry"])


def test_jobs_get_a_new_name_with_a_new_image() -> None:
    """Kubernetes refuses changes to a Job's pod, so that a changed pod is a new Job."""

    def get_job(**values: Values) -> str:
        store = KEYS_OF_THEIR_OWN["objectStore"] | values.get("objectStore", {})
        (name,) = get_names(render(KEYS_OF_THEIR_OWN | values | {"objectStore": store}), "Job")
        return name

    assert get_job() == get_job(settings={"MLOPS_SEED": 3})
    assert get_job() != get_job(image={"tag": "new"})
    assert get_job() != get_job(objectStore={"bucketPrefix": "school"})
