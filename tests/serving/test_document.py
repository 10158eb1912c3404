"""The OpenAPI document is true: whatever it allows is answered as it says, and whatever it forbids is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from pipeline.columns import FEATURES, Category
from serving.app import create_fastapi
from serving.service import Service
from serving.settings import Settings

OPERATIONS = [
    (path, method)
    for path, operations in create_fastapi(Service(Settings())).openapi()["paths"].items()
    for method in operations
]
STRICTER_THAN_THEIR_SCHEMA = ("/v2", "/invocations", "/predict/csv")
"""MLflow's and the Open Inference Protocol's shapes, and CSV, ask for more than JSON Schema can say."""


@pytest.fixture(scope="session")
def api(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    ("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS]
)
@pytest.mark.filterwarnings("ignore")  # schemathesis's own, and hypothesis's, on what they generate
def test_every_answer_is_documented(api: Any, path: str, method: str, mode: GenerationMode) -> None:
    """Generated requests, good and bad: no 500, no undocumented status, type or shape."""
    excluded = (
        [negative_data_rejection, positive_data_acceptance]
        if path.startswith(STRICTER_THAN_THEIR_SCHEMA)
        else []
    )

    @given(case=api[path][method.upper()].as_strategy(generation_mode=mode))
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    def answers(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded)

    try:
        answers()
    except Unsatisfiable:
        assert (
            mode is GenerationMode.NEGATIVE
        )  # an operation that takes nothing has nothing to break


def test_features_are_those_of_columns(client: httpx.Client) -> None:
    """The document's student has the ranges, units and categories of pipeline/columns.py."""
    student = client.get("/openapi.json").json()["components"]["schemas"]["Student"]
    assert student["required"] == [feature.name for feature in FEATURES]
    assert student["additionalProperties"] is False
    for feature in FEATURES:
        said = student["properties"][feature.name]
        if isinstance(feature, Category):
            assert said["enum"] == [*feature.codes, *feature.codes.values()]
        else:
            assert (said["minimum"], said["maximum"]) == (feature.low, feature.high)
            assert feature.unit in said["description"]


def test_examples_work(client: httpx.Client) -> None:
    """Every example in the document is answered with 200 by its own operation."""
    document = client.get("/openapi.json").json()
    tried = 0
    for path, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for kind, facts in content.items():
            for example in examples_of(document, facts):
                place = path.replace("{name}", "student-performance").replace("{version}", "1")
                sent = {"content": example} if isinstance(example, str) else {"json": example}
                answer = client.post(place, headers={"Content-Type": kind}, **sent)
                assert answer.status_code == 200, (path, example, answer.text)
                tried += 1
    assert tried >= 8


def examples_of(document: Any, facts: dict[str, Any]) -> list[Any]:
    shown = [example["value"] for example in facts.get("examples", {}).values()]
    reference = facts["schema"].get("$ref")
    if reference:
        shown += document["components"]["schemas"][reference.rsplit("/", 1)[1]].get("examples", [])
    return shown
