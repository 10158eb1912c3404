"""values.yaml and its schema."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # publishes no types

from docs.values import DERIVED, SCHEMA, resolve, values
from pipeline.environment import variables
from serving.settings import Settings
from tests.support.chart_scenarios import SCENARIOS
from tests.support.helm import CHART, get_refusal, render, run_helm

OPEN = {"global", "strings", "environment"}
"""Parts of the schema with free keys: a parent chart's values, labels, annotations, variables."""


@functools.cache
def load_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text())
    return schema


def find_objects(part: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the schema of every object in a part of the schema."""
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield path, part
        for key, below in part.items():
            is_structure = key in ("properties", "definitions")
            yield from find_objects(below, path if is_structure else f"{path}.{key}")
    elif isinstance(part, list):
        for below in part:
            yield from find_objects(below, path)


def test_the_schema_is_valid() -> None:
    """The schema is valid JSON Schema draft 7, which every version of Helm supports."""
    assert load_schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(load_schema())


def test_the_schema_is_strict_at_every_level() -> None:
    """The schema refuses unknown keys at every level, except where keys are free."""
    lax = {
        path.rsplit(".", 1)[-1]
        for path, part in find_objects(load_schema(), "")
        if part.get("additionalProperties") is not False
    }
    assert lax == OPEN


@pytest.mark.parametrize(
    "path",
    [value.path for value in values() if value.is_section and value.path != ("global",)],
    ids=".".join,
)
def test_a_misspelt_key_is_refused(path: tuple[str, ...]) -> None:
    """The schema refuses an unknown key in each section of values.yaml, and names it."""
    misspelt: Any = {"mispelt": 1}
    for key in reversed(path):
        misspelt = {key: misspelt}
    errors = [error.message for error in Draft7Validator(load_schema()).iter_errors(misspelt)]
    assert any("'mispelt' was unexpected" in message for message in errors), errors


def replace_secrets(part: Any) -> Any:
    """Return a part of the values with every `existingSecret` replaced by an invalid name."""
    if not isinstance(part, dict):
        return part
    invalid = {"existingSecret": "My Secret"} if "existingSecret" in part else {}
    return {key: replace_secrets(value) for key, value in part.items()} | invalid


def test_every_name_of_a_secret_is_checked() -> None:
    """A name that Kubernetes would refuse is refused before the installation."""
    text = (CHART / "values.yaml").read_text()
    errors = Draft7Validator(load_schema()).iter_errors(replace_secrets(yaml.safe_load(text)))
    refused = [error for error in errors if error.path[-1] == "existingSecret"]
    assert len(refused) == len(re.findall(r"^[^#\n]*existingSecret:", text, re.MULTILINE))


def test_helm_checks_the_schema() -> None:
    """helm itself refuses values that the schema refuses."""
    assert "minReplica" in get_refusal({"predictor": {"autoscaling": {"minReplica": 1}}})


@pytest.mark.parametrize(
    ("invalid", "place"),
    [
        ({"settings": {"MLOPS_GATES__MIN_RECAL": 0.7}}, "MLOPS_GATES__MIN_RECAL"),
        ({"settings": {"MLOPS_LAKE__URL": "s3://"}}, "MLOPS_LAKE__URL"),
        ({"image": {"tag": 1.10}}, "/image/tag"),
        ({"images": {"train": {"digest": "abc"}}}, "/images/train/digest"),
        ({"minio": {"persistence": {"size": "10 GB"}}}, "/minio/persistence/size"),
        (
            {
                "stages": {
                    "train": {"resources": {"limits": {"memory": "1Gi"}, "requests": {"cpus": "1"}}}
                }
            },
            "cpus",
        ),
        ({"dags": {"schedules": {"drift": "every day"}}}, "/dags/schedules/drift"),
        (
            {"predictor": {"podDisruptionBudget": {"maxUnavailable": "0%"}}},
            "/predictor/podDisruptionBudget/maxUnavailable",
        ),
        ({"networkPolicy": {"dns": [{"podSelektor": {}}]}}, "podSelektor"),
        (
            {"networkPolicy": {"kubernetesApi": {"cidrs": ["10.0.0.1"]}}},
            "/networkPolicy/kubernetesApi/cidrs",
        ),
        ({"mlflow": {"service": {"type": "NodePorts"}}}, "/mlflow/service/type"),
        (
            {"objectStore": {"external": {"endpoint": "s3.school.org"}}},
            "/objectStore/external/endpoint",
        ),
    ],
)
def test_invalid_values_are_refused(invalid: dict[str, Any], place: str) -> None:
    """An invalid value is refused before anything is installed, and the message names its place."""
    assert place in get_refusal(invalid)


def test_the_schema_has_every_value() -> None:
    """values.yaml and the schema have the same keys, apart from old names in the schema."""
    keys: dict[tuple[str, ...], set[str]] = {(): set()}
    for value in values():
        keys[value.path[:-1]].add(value.path[-1])
        if value.is_section:
            keys[value.path] = set()
    for path, expected in keys.items():
        part = load_schema()
        for key in path:
            part = resolve(part["properties"][key], load_schema())
        properties = part.get("properties", {})
        current = {key for key, below in properties.items() if "$comment" not in below}
        assert current == expected, path


def test_every_value_has_a_comment() -> None:
    """Every key of values.yaml has a comment of whole sentences."""
    undocumented = [
        value.name for value in values() if not re.fullmatch(r"[A-Z\W].+\.( .*)?", value.comment)
    ]
    assert undocumented == []


def test_derived_settings_are_set_elsewhere() -> None:
    """A setting that values may not set exists, and a template or an image sets it."""
    assert set(DERIVED) <= variables(Settings).keys()
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    elsewhere = {
        "MLOPS_CODE_VERSION",  # the images set it
        "MLOPS_DEPLOYMENT__SUMMARY_FILE",  # the DAG sets it
        "MLOPS_MLFLOW__ARTIFACTS",  # only SQLite needs it
    }
    assert {name for name in DERIVED if name not in templates} == elsewhere


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_helm_lint(scenario: str) -> None:
    """`helm lint --strict` passes in every scenario."""
    given, file = SCENARIOS[scenario]
    files = [f"--values={CHART / file}"] if file else []
    process = run_helm("lint", "--strict", str(CHART), *files, values=given)
    assert process.returncode == 0, process.stdout + process.stderr


def test_globals_of_a_parent_chart() -> None:
    """As a subchart, the chart accepts the globals of its parent and ignores them."""
    assert render({"global": {"imageRegistry": "x", "deep": {"er": 1}}})[0] == render()[0]
