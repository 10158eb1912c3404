"""The OpenAPI document describes what the predictor accepts, refuses and returns."""

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
"""JSON Schema cannot express all rules for CSV, MLflow's shapes and the protocol's tensors."""


@pytest.fixture(scope="session")
def api(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    ("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS]
)
@pytest.mark.filterwarnings("ignore")  # those of schemathesis and hypothesis
def test_every_response_is_documented(
    api: Any, path: str, method: str, mode: GenerationMode
) -> None:
    """Valid and invalid requests get a documented status, content type and schema, and no 500."""
    excluded = (
        [negative_data_rejection, positive_data_acceptance]
        if path.startswith(STRICTER_THAN_THEIR_SCHEMA)
        else []
    )

    @given(case=api[path][method.upper()].as_strategy(generation_mode=mode))
    @settings(
        max_examples=20 if method == "post" else 5,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    def check(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded)

    try:
        check()
    except Unsatisfiable:
        # An operation without parameters has no invalid requests.
        assert mode is GenerationMode.NEGATIVE


def test_features_are_those_of_columns(client: httpx.Client) -> None:
    """The document's row has the ranges, units and categories of the columns file."""
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert row["required"] == [feature.name for feature in FEATURES]
    assert row["additionalProperties"] is False
    for feature in FEATURES:
        described = row["properties"][feature.name]
        if isinstance(feature, Category):
            assert described["enum"] == [*feature.codes, *feature.codes.values()]
        else:
            assert (described["minimum"], described["maximum"]) == (feature.low, feature.high)
            assert feature.unit in described["description"]


def test_examples_work(client: httpx.Client) -> None:
    """The operation of every example in the document responds with 200."""
    document = client.get("/openapi.json").json()
    tried = 0
    for path, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for content_type, facts in content.items():
            for example in list_examples(document, facts):
                address = path.replace("{name}", "student-performance").replace("{version}", "1")
                body = {"content": example} if isinstance(example, str) else {"json": example}
                answer = client.post(address, headers={"Content-Type": content_type}, **body)
                assert answer.status_code == 200, (path, example, answer.text)
                tried += 1
    assert tried >= 8


def list_examples(document: Any, facts: dict[str, Any]) -> list[Any]:
    """The examples of a request body and of its schema."""
    examples = [example["value"] for example in facts.get("examples", {}).values()]
    reference = facts["schema"].get("$ref")
    if reference:
        schema = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
        examples += schema.get("examples", [])
    return examples
