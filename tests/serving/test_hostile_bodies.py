"""Bodies just below the size limit that try to cost memory: each is refused cheaply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.app import create_fastapi
from serving.http.problems import MAX_FINDINGS
from serving.service import Service
from serving.settings import Settings
from tests.support.hostile_bodies import BODIES, LISTS, SIZE, measure_growth, post
from tests.support.predictor import (
    INFER,
    PredictorProcess,
    start_predictor,
    wait_until_ready,
)

MAX_GROWTH_MIB = 64
INFER_TEMPLATE = "/v2/models/{name}/infer"
"""The path of INFER in the OpenAPI document; the one with a version has the same handler."""


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Iterator[PredictorProcess]:
    with start_predictor(folder) as started:
        wait_until_ready(started)
        yield started


def test_every_route_gets_hostile_bodies() -> None:
    """Each path that accepts POST is one of those below."""
    paths = create_fastapi(Service(Settings())).openapi()["paths"]
    posts = {path for path, operations in paths.items() if "post" in operations}
    tried = {path.partition("?")[0] for path, *_ in (*BODIES, *LISTS)}
    tried |= {INFER_TEMPLATE, INFER_TEMPLATE.replace("/infer", "/versions/{version}/infer")}
    assert posts == tried - {INFER}


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [pytest.param(*case[:2], case[3], id=f"{case[0]} {case[2]}") for case in BODIES],
)
def test_refused_cheaply(
    predictor: PredictorProcess, path: str, content_type: str, body: str
) -> None:
    """The response is a 4xx with few findings, and the memory grows by less than 64 MiB."""
    grown, answer = measure_growth(
        predictor, lambda: post(predictor, path, content_type, body.encode())
    )
    assert 400 <= answer.status_code < 500, answer.text[:1000]
    problem = answer.json()
    assert len(problem["errors"]) <= MAX_FINDINGS
    assert len(answer.content) < 20_000
    assert grown < MAX_GROWTH_MIB


def test_binary_tensor(predictor: PredictorProcess) -> None:
    """A tensor with more numbers than its shape is refused before they are converted."""
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "features",
                    "shape": [1, 5],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": SIZE},
                }
            ]
        }
    ).encode()
    headers = {"Inference-Header-Content-Length": str(len(header))}
    grown, answer = measure_growth(
        predictor,
        lambda: httpx.post(
            predictor.url + INFER, content=header + bytes(SIZE), headers=headers, timeout=60
        ),
    )
    assert (answer.status_code, "225000 numbers" in answer.text) == (422, True)
    assert grown < MAX_GROWTH_MIB


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for _, _, name, body in LISTS])
def test_lists(predictor: PredictorProcess, body: str) -> None:
    """A list is refused, or its rows are returned with errors, within the same memory."""
    grown, answer = measure_growth(
        predictor, lambda: post(predictor, "/predict/csv", "text/csv", body.encode())
    )
    assert answer.status_code in {200, 422}
    assert grown < MAX_GROWTH_MIB
