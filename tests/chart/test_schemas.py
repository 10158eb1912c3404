"""Every manifest of every scenario is one that Kubernetes takes, by its own schemas."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # publishes no types
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.support.chart_scenarios import SCENARIOS
from tests.support.helm import Manifest, find, render

VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: an old one that is still met, and the newest; the test cluster checks its own."""


@functools.cache
def definitions(version: str) -> Any:
    """What the schemas of a version refer to."""
    return Resource.from_contents(
        json.loads(read(version, "_definitions")), default_specification=DRAFT202012
    )


@functools.cache
def validator(version: str, kind: str, api_version: str) -> Any:
    """Of a kind, refusing properties that it does not know."""
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, [kind.lower(), group.split(".")[0], number]))
    registry: Any = Registry().with_resource("/api/_definitions.json", definitions(version))
    return Draft202012Validator(json.loads(read(version, name)), registry=registry)


def read(version: str, name: str) -> str:
    return (
        files("kubernetes_validate")
        / "kubernetes-json-schema"
        / f"v{version}.0-local-strict"
        / f"{name}.json"
    ).read_text()


def complaints(manifest: Manifest, version: str) -> list[str]:
    return list(_complaints(json.dumps(manifest), version))


@functools.cache  # most manifests are the same in most scenarios
def _complaints(text: str, version: str) -> tuple[str, ...]:
    manifest = json.loads(text)
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    found = validator(version, manifest["kind"], manifest["apiVersion"]).iter_errors(manifest)
    return tuple(f"{name}: {error.json_path}: {error.message}" for error in found)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_manifests_are_kubernetes(scenario: str, version: str) -> None:
    """No manifest has an unknown or misplaced field, or a value of the wrong type."""
    values, file = SCENARIOS[scenario]
    assert [
        complaint
        for manifest in render(values, file=file)
        for complaint in complaints(manifest, version)
    ] == []


def test_a_wrong_field_is_seen() -> None:
    """The check is one: a misspelt field of a real manifest is found."""
    deployment = find(render(), "Deployment", "predictor")
    wrong = json.loads(json.dumps(deployment).replace('"readinessProbe"', '"readynessProbe"'))
    assert any("readynessProbe" in complaint for complaint in complaints(wrong, VERSIONS[-1]))
