"""Which image a pod runs."""

from __future__ import annotations

import json

import pytest

from pipeline.stages import STAGES
from tests.support.helm import Values, container, containers, find, pod_specs, render

APP_VERSION = "0.1.0"


def images_of(values: Values) -> dict[str, str]:
    """The image of each stage and of the predictor."""
    manifests = render(values)
    pods = json.loads(find(manifests, "ConfigMap", "pods")["data"]["pods.json"])
    found = {name: stage["image"] for name, stage in pods["stages"].items()}
    return found | {"predictor": container(find(manifests, "Deployment", "predictor"))["image"]}


def test_an_image_for_every_stage() -> None:
    """Every row of the stage table has an image of its own, of the chart's appVersion."""
    expected = {
        stage.name: f"localhost/student-mlops/{stage.name}:{APP_VERSION}" for stage in STAGES
    }
    assert images_of({}) == expected | {
        "predictor": f"localhost/student-mlops/predictor:{APP_VERSION}"
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"image": {"registry": "ghcr.io/school"}},
            f"ghcr.io/school/student-mlops/train:{APP_VERSION}",
        ),
        ({"image": {"registry": "ghcr.io/"}}, f"ghcr.io/student-mlops/train:{APP_VERSION}"),
        ({"image": {"tag": "v7"}}, "localhost/student-mlops/train:v7"),
        (
            {"image": {"tag": "v7"}, "images": {"train": {"tag": "own"}}},
            "localhost/student-mlops/train:own",
        ),
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
            f"localhost/student-mlops/train@sha256:{'ab' * 32}",
        ),
    ],
)
def test_an_images_own_values_go_before_the_common_ones(given: Values, expected: str) -> None:
    """Registry and tag are common unless the image has its own; a digest goes before any tag."""
    images = images_of(given)
    assert images["train"] == expected


def test_the_database_stays_with_its_own_registry() -> None:
    """The common registry and tag are for the platform's images; PostgreSQL's is the official one."""
    manifests = render({"image": {"registry": "ghcr.io/school", "tag": "v7"}})
    assert (
        container(find(manifests, "StatefulSet", "postgresql"))["image"]
        == "docker.io/library/postgres:17-trixie"
    )


def test_pull_policy_and_secrets_reach_every_pod() -> None:
    """The registry's credentials and the pull policy are those of every pod, the stages' too."""
    manifests = render({"image": {"pullPolicy": "Always", "pullSecrets": ["registry"]}})
    for name, spec in pod_specs(manifests):
        assert spec["imagePullSecrets"] == [{"name": "registry"}], name
        assert {item["imagePullPolicy"] for item in containers(spec)} == {"Always"}
    pods = json.loads(find(manifests, "ConfigMap", "pods")["data"]["pods.json"])
    assert (pods["image_pull_policy"], pods["image_pull_secrets"]) == ("Always", ["registry"])
