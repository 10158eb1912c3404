"""Every manifest of every scenario is valid by Kubernetes' own schemas."""

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
"""Versions of Kubernetes: an old one that is still in use, and the newest."""
FOREIGN = ("cert-manager.io/v1", "gateway.networking.k8s.io/v1")
"""APIs that extensions add to a cluster."""


@functools.cache
def get_definitions(version: str) -> Any:
    """Return the definitions that the schemas of a version refer to."""
    return Resource.from_contents(
        json.loads(read_schema(version, "_definitions")), default_specification=DRAFT202012
    )


@functools.cache
def get_validator(version: str, kind: str, api_version: str) -> Any:
    """Return a validator for a kind that refuses unknown properties."""
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, [kind.lower(), group.split(".")[0], number]))
    registry: Any = Registry().with_resource("/api/_definitions.json", get_definitions(version))
    return Draft202012Validator(json.loads(read_schema(version, name)), registry=registry)


def read_schema(version: str, name: str) -> str:
    folder = files("kubernetes_validate") / "kubernetes-json-schema"
    return (folder / f"v{version}.0-local-strict" / f"{name}.json").read_text()


def get_errors(manifest: Manifest, version: str) -> list[str]:
    return list(_get_errors(json.dumps(manifest), version))


@functools.cache  # most manifests are the same in most scenarios
def _get_errors(text: str, version: str) -> tuple[str, ...]:
    manifest = json.loads(text)
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    validator = get_validator(version, manifest["kind"], manifest["apiVersion"])
    return tuple(
        f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(manifest)
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_manifests_are_valid(scenario: str, version: str) -> None:
    """No manifest has an unknown or misplaced field, or a value of the wrong type."""
    values, file = SCENARIOS[scenario]
    manifests = [item for item in render(values, file=file) if item["apiVersion"] not in FOREIGN]
    assert [error for manifest in manifests for error in get_errors(manifest, version)] == []


def test_a_misspelt_field_is_an_error() -> None:
    """The validator finds a misspelt field in a real manifest."""
    deployment = find(render(), "Deployment", "predictor")
    wrong = json.loads(json.dumps(deployment).replace('"readinessProbe"', '"readynessProbe"'))
    assert any("readynessProbe" in error for error in get_errors(wrong, VERSIONS[-1]))
