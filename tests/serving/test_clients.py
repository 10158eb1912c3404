"""Unmodified clients: Triton's for the Open Inference Protocol, and MLflow's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.types import Float32Array
from serving.http.rows import EXAMPLE
from serving.oip_tensors import _pack
from tests.support.forest import generate_rows, train_forest

NAME = "student-performance"


@pytest.fixture(scope="module")
def inputs() -> Float32Array:
    return generate_rows(100)[0]


@pytest.fixture(scope="module")
def expected(inputs: Float32Array) -> list[float]:
    probabilities: list[float] = train_forest().predict_proba(inputs)[:, 1].tolist()
    return probabilities


@pytest.fixture
def triton(url: str) -> Iterator[Any]:
    from tritonclient.http import InferenceServerClient  # type: ignore[import-untyped] # no types

    client = InferenceServerClient(url.removeprefix("http://"))
    yield client
    client.close()


class TestTriton:
    def test_health_and_metadata(self, triton: Any) -> None:
        """The client finds the server, the model and the loaded version."""
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready(NAME)
        assert triton.is_model_ready(NAME, "1")
        assert not triton.is_model_ready(NAME, "2")
        assert not triton.is_model_ready("other")
        assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        metadata = triton.get_model_metadata(NAME)
        assert metadata["versions"] == ["1"]
        assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 5]}]

    @pytest.mark.parametrize("binary_in", [True, False])
    @pytest.mark.parametrize("binary_out", [True, False, None])
    def test_infer(
        self,
        triton: Any,
        inputs: Float32Array,
        expected: list[float],
        binary_in: bool,
        binary_out: bool | None,
    ) -> None:
        """Tensors work as JSON and as bytes in both directions; None requests all outputs."""
        from tritonclient.http import InferInput, InferRequestedOutput

        tensor = InferInput("features", list(inputs.shape), "FP32")
        tensor.set_data_from_numpy(inputs, binary_data=binary_in)
        outputs = None
        if binary_out is not None:
            outputs = [
                InferRequestedOutput(name, binary_data=binary_out)
                for name in ("probability", "label")
            ]
        answer = triton.infer(NAME, [tensor], outputs=outputs, request_id="abc", model_version="1")
        assert answer.as_numpy("probability").tolist() == pytest.approx(expected, abs=1e-6)
        labels = [
            label.decode() if isinstance(label, bytes) else label
            for label in answer.as_numpy("label").tolist()
        ]
        assert labels == ["fail" if probability >= 0.5 else "pass" for probability in expected]
        assert answer.get_response()["id"] == "abc"
        assert answer.get_response()["model_version"] == "1"

    def test_errors_reach_the_client(self, triton: Any) -> None:
        """The client raises its own exception with our message."""
        from tritonclient.http import InferInput
        from tritonclient.utils import (  # type: ignore[import-untyped] # no types
            InferenceServerException,
        )

        tensor = InferInput("features", [1, 5], "FP32")
        tensor.set_data_from_numpy(np.full((1, 5), 999, np.float32))
        with pytest.raises(InferenceServerException, match="invalid value"):
            triton.infer(NAME, [tensor])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "one input, features"),
        ({"datatype": "BYTES"}, "datatype"),
        ({"shape": [5]}, "shape"),
        ({"shape": [2, 5]}, "there are 5 numbers"),
        ({"shape": [0, 5], "data": []}, "at least one row"),
        ({"data": [31, 1, 6.8, 0, "x"]}, "are not numbers"),
        ({"data": [31, 1, 6.8, 0, "2.1"]}, "are not numbers"),
        ({"data": ["3_1", 1, 6.8, 0, 2.1]}, "are not numbers"),
        ({"data": [31, True, 6.8, 0, 2.1]}, "are not numbers"),
        ({"data": [[31, 1], [6.8, 0, 2.1]]}, "are not numbers"),
        ({"data": None}, ""),
        ({"parameters": {"binary_data_size": 20}}, "bytes follow"),
        ({"data": [31, 1, 6.8, 0.25, 2.1]}, "relationship"),
    ],
)
def test_invalid_tensors(client: httpx.Client, change: dict[str, Any], message: str) -> None:
    """The problem document describes the error, also in the protocol's field `error`."""
    tensor = {
        "name": "features",
        "shape": [1, 5],
        "datatype": "FP32",
        "data": [31, 1, 6.8, 0, 2.1],
    } | change
    answer = client.post(f"/v2/models/{NAME}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 422
    assert message in answer.text
    problem = answer.json()
    assert problem["error"].startswith(problem["detail"])
    if problem["errors"]:
        first = problem["errors"][0]
        assert f"row 0, {first['field']}: {first['message']}" in problem["error"]


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "-1", "1000000"])
def test_invalid_length_of_the_header(client: httpx.Client, length: str) -> None:
    """An Inference-Header-Content-Length that is no length of this body gets 422."""
    headers = {"Inference-Header-Content-Length": length.encode("latin-1")}
    answer = client.post(f"/v2/models/{NAME}/infer", content=b"{}", headers=headers)  # type: ignore[arg-type] # bytes
    assert (answer.status_code, "the body has 2 bytes" in answer.text) == (422, True)
    assert len(answer.content) < 1000


def test_lengths_of_binary_labels() -> None:
    """The length before a label counts its bytes, not its characters."""
    packed = _pack("BYTES", ["b\u00f6sartig", "a"])
    assert packed == b"\x09\0\0\0b\xc3\xb6sartig\x01\0\0\0a"


class TestMlflow:
    # MLflow warns when it is imported.
    @pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
    def test_client(self, url: str, inputs: Float32Array, expected: list[float]) -> None:
        """MLflow's client pings, reads the version and gets the probabilities of a DataFrame."""
        from mlflow.pyfunc.scoring_server import client as scoring

        host, _, port = url.removeprefix("http://").partition(":")
        client: Any = scoring.ScoringServerClient(host, port)  # type: ignore[no-untyped-call] # no types
        client.wait_server_ready(30)
        assert client.get_version()
        frame = pd.DataFrame(inputs.astype(float).round(1), columns=list(FEATURE_NAMES))
        answer = client.invoke(frame).get_predictions()
        assert answer["probability"].tolist() == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize(
        "body",
        [
            {"dataframe_records": [EXAMPLE]},
            {
                "dataframe_split": {
                    "columns": list(EXAMPLE),
                    "data": [list(EXAMPLE.values())],
                    "index": [0],
                }
            },
            {
                "dataframe_split": {
                    "columns": list(EXAMPLE)[::-1],
                    "data": [list(EXAMPLE.values())[::-1]],
                },
                "params": {"a": 1},
            },
            {"instances": [EXAMPLE]},
            {"instances": [list(EXAMPLE.values())]},
            {"inputs": {name: [value] for name, value in EXAMPLE.items()}},
            {"inputs": [list(EXAMPLE.values())]},
        ],
    )
    def test_shapes(self, client: httpx.Client, body: dict[str, Any]) -> None:
        """The same row gets the same prediction in each of MLflow's shapes."""
        expected = client.post("/predict", json=EXAMPLE).json()["predictions"]
        assert client.post("/invocations", json=body).json() == {"predictions": expected}

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({}, "has none of MLflow's shapes"),
            ({"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}, "Row 0 has 2 values"),
            ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, "twice"),
            ({"inputs": {"age": [1], "course": []}}, "different lengths"),
            ({"dataframe_records": [EXAMPLE | {"age": True}]}, "valid number"),
            ({"dataframe_records": [EXAMPLE | {"relationship": True}]}, "not a boolean"),
            ({"dataframe_records": [EXAMPLE | {"age": 3}]}, "greater than"),
            ({"instances": []}, "at least 1"),
            ({"instances": [EXAMPLE | {"Age": 32}]}, "Given twice"),
            ({"inputs": {"age": [1], "Age": [2]}}, "Given twice"),
            ({"dataframe_split": {"columns": ["age", "AGE"], "data": [[1, 2]]}}, "Given twice"),
        ],
    )
    def test_invalid_tables(self, client: httpx.Client, body: dict[str, Any], message: str) -> None:
        """Another shape, or an invalid value, gets 422 and a description of the error."""
        answer = client.post("/invocations", json=body)
        assert answer.status_code == 422
        assert message in answer.text

    @pytest.mark.parametrize(
        "text",
        [
            "age,course,sleep_hours,relationship,review_hours\n31,STEM,6.8,NO,2.1\n",
            "Age,Course,Sleep hours,Relationship,Hours Reviewing\n31,Stem,6.8,No,2.1\n",
            "sep=;\nage;course;sleep_hours;relationship;review_hours\n31;1;6,8;0;2,1\n",
        ],
    )
    def test_csv(self, client: httpx.Client, text: str) -> None:
        """A CSV table in a spreadsheet's spelling gets the prediction of the JSON row."""
        expected = client.post("/predict", json=EXAMPLE).json()["predictions"]
        answer = client.post("/invocations", content=text, headers={"Content-Type": "text/csv"})
        assert answer.json() == {"predictions": expected}

    @pytest.mark.parametrize("age", ["3_1", "\uff13\uff11", "nan", "x"])
    def test_invalid_csv(self, client: httpx.Client, age: str) -> None:
        """A cell that is no number gets 422."""
        text = f"{','.join(EXAMPLE)}\n{age},stem,6.8,no,2.1\n"
        answer = client.post("/invocations", content=text, headers={"Content-Type": "text/csv"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "age")
