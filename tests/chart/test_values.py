"""values.yaml, its schema, and the page that documents them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # publishes no types

from docs.values import DERIVED, SCHEMA, resolve, values
from pipeline.environment import variables
from serving.settings import Settings
from tests.support.chart_scenarios import SCENARIOS
from tests.support.helm import CHART, refusal, render, run_helm

OPEN = {"global", "strings", "environment"}
"""Parts of the schema whose keys are the user's own: another chart's values, labels and annotations, variables."""


@functools.cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text())
    return loaded


def objects(part: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, with its place."""
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield place, part
        for key, below in part.items():
            yield from objects(
                below, f"{place}.{key}" if key not in ("properties", "definitions") else place
            )
    elif isinstance(part, list):
        for below in part:
            yield from objects(below, place)


def test_schema_is_a_schema() -> None:
    """The schema is a valid one of draft 7, the newest that every Helm reads."""
    assert schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema())


def test_strict_at_every_level() -> None:
    """An unknown key is refused wherever it stands, but where keys are the user's own."""
    lax = {
        place.rsplit(".", 1)[-1]
        for place, part in objects(schema(), "")
        if part.get("additionalProperties") is not False
    }
    assert lax == OPEN


@pytest.mark.parametrize(
    "path",
    [value.path for value in values() if value.is_section and value.path != ("global",)],
    ids=".".join,
)
def test_a_misspelt_key_is_refused(path: tuple[str, ...]) -> None:
    """In each section of values.yaml a key that is not there is refused, by name."""
    misspelt: Any = {"mispelt": 1}
    for key in reversed(path):
        misspelt = {key: misspelt}
    errors = [error.message for error in Draft7Validator(schema()).iter_errors(misspelt)]
    assert any("'mispelt' was unexpected" in message for message in errors), errors


def test_helm_refuses_a_misspelt_key() -> None:
    """helm itself holds values to the schema."""
    assert "minReplica" in refusal({"predictor": {"autoscaling": {"minReplica": 1}}})


@pytest.mark.parametrize(
    ("given", "said"),
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
        ({"predictor": {"maxUnavailable": "0%"}}, "/predictor/maxUnavailable"),
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
def test_wrong_values_are_refused_by_their_place(given: dict[str, Any], said: str) -> None:
    """A value that cannot be meant is refused before anything is made, with its place."""
    assert said in refusal(given)


def test_schema_knows_every_value() -> None:
    """Each key of values.yaml is in the schema and each of the schema's in values.yaml, section by section."""
    written: dict[tuple[str, ...], set[str]] = {(): set()}
    for value in values():
        written[value.path[:-1]].add(value.path[-1])
        if value.is_section:
            written[value.path] = set()
    for path, keys in written.items():
        part = schema()
        for key in path:
            part = resolve(part["properties"][key], schema())
        assert part.get("properties", {}).keys() == keys, path


def test_every_value_has_a_comment() -> None:
    """Above each key of values.yaml stands a sentence that says what it is."""
    silent = [
        value.name for value in values() if not re.fullmatch(r"[A-Z\W].+\.( .*)?", value.comment)
    ]
    assert silent == []


def test_derived_settings_are_given_by_the_chart() -> None:
    """A setting that values may not give exists, and is given by a template or by the images."""
    assert set(DERIVED) <= variables(Settings).keys()
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    elsewhere = {
        "MLOPS_CODE_VERSION",  # the images carry it
        "MLOPS_MLFLOW__ARTIFACTS",  # for SQLite only
        "MLOPS_PREDICTOR__API_KEY",  # of the Secret predictor.existingSecret
    }
    assert {name for name in DERIVED if name not in templates} == elsewhere


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_lints(scenario: str) -> None:
    """`helm lint --strict` finds nothing in any scenario."""
    given, file = SCENARIOS[scenario]
    files = [f"--values={CHART / file}"] if file else []
    answer = run_helm("lint", "--strict", str(CHART), *files, values=given)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_parent_chart_may_hand_in_globals() -> None:
    """As a part of another chart it takes that one's globals, and does not mind them."""
    assert render({"global": {"imageRegistry": "x", "deep": {"er": 1}}})[0] == render()[0]
