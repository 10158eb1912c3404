"""Bodies just below the size limit that try to cost memory and time, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx

from pipeline.columns import FEATURE_NAMES
from serving.http.rows import EXAMPLE
from tests.support.predictor import INFER, PredictorProcess
from tests.support.process_tree import read_mebibytes

SIZE = 900_000
"""Bytes of a body; the limit is a million."""


def fill(start: str, item: str, end: str) -> str:
    """Repeat an item, separated by commas, up to SIZE."""
    count = (SIZE - len(start) - len(end)) // (len(item) + 1)
    return start + ",".join([item] * count) + end


def fill_keys(start: str, value: str, end: str) -> str:
    """Repeat a value under different keys, up to SIZE."""
    count = (SIZE - len(start) - len(end)) // (len(value) + 10)
    return start + ",".join(f'"k{index:06}":{value}' for index in range(count)) + end


def make_tensor(shape: str = "[1,5]", data: str = "[]") -> str:
    return f'{{"name":"features","shape":{shape},"datatype":"FP32","data":{data}}}'


JSON_ROWS = {
    "numbers": fill("[", "1", "]"),
    "objects": fill("[", "{}", "]"),
    "arrays": fill("[", "[]", "]"),
    "rows": fill("[", json.dumps(EXAMPLE), "]"),
    "unknown keys": fill_keys("{", "1", "}"),
    "unknown keys of many": fill("[", fill_keys("{", "1", "}")[:300] + "}", "]").replace(",}", "}"),
    "one repeated key": fill("{", '"age":31', "}"),
    "digits": '{"age":' + "1" * SIZE + "}",
    "a long text": '{"course":"' + "x" * SIZE + '"}',
    "open arrays": "[" * SIZE,
}
TABLES = {
    **{
        f"{shape} of {kind}": fill(f'{{"{shape}":[', item, "]}")
        for shape in ("instances", "inputs", "dataframe_records")
        for kind, item in (
            ("numbers", "1"),
            ("texts", '"ab"'),
            ("arrays", "[]"),
            ("objects", "{}"),
            ("long arrays", "[1,2,3,4,5,6,7]"),
        )
    },
    "one long instance": fill('{"instances":[[', "1", "]]}"),
    "a column": fill('{"inputs":{"age":[', "1", "]}}"),
    "columns": fill_keys('{"inputs":{', "[1]", "}}"),
    "columns of numbers": fill_keys('{"inputs":{', "1", "}}"),
    "a long record": fill_keys('{"dataframe_records":[{', "1", "}]}"),
    "unknown shapes": fill_keys("{", "1", "}"),
    "parameters": fill_keys('{"instances":[1],"params":{', "1", "}}"),
    "split columns": fill('{"dataframe_split":{"data":[],"columns":[', "1", "]}}"),
    "split names": fill('{"dataframe_split":{"data":[],"columns":[', '"age"', "]}}"),
    "split data": fill('{"dataframe_split":{"columns":["age"],"data":[', "1", "]}}"),
    "split rows": fill('{"dataframe_split":{"columns":["age"],"data":[', "[1]", "]}}"),
    "split index": fill('{"dataframe_split":{"columns":[],"data":[],"index":[', "1", "]}}"),
}
TENSORS = {
    "inputs": fill('{"inputs":[', "1", "]}"),
    "input tensors": fill('{"inputs":[', make_tensor(), "]}"),
    "outputs": fill(f'{{"inputs":[{make_tensor()}],"outputs":[', "1", "]}"),
    "output names": fill(f'{{"inputs":[{make_tensor()}],"outputs":[', '{"name":"a"}', "]}"),
    "shape": fill('{"inputs":[{"name":"features","datatype":"FP32","shape":[', '"a"', "]}]}"),
    "data": f'{{"inputs":[{make_tensor(data=fill("[", "1", "]"))}]}}',
    "texts": f'{{"inputs":[{make_tensor(data=fill("[", chr(34) + "1" + chr(34), "]"))}]}}',
    "nested data": f'{{"inputs":[{make_tensor(data=fill("[[", "1", "]]"))}]}}',
    "rows": f'{{"inputs":[{make_tensor("[90000,5]", fill("[", "1", "]"))}]}}',
    "unknown keys": fill_keys("{", "1", "}"),
    "parameters": fill_keys(f'{{"inputs":[{make_tensor()}],"parameters":{{', "1", "}}"),
}
CSV = {
    "one column": "age\n" + "1\n" * (SIZE // 2),
    "short rows": ",".join(FEATURE_NAMES) + "\n" + "1\n" * (SIZE // 2),
    "one row": "1," * (SIZE // 2),
    "wide rows": "age,course\n" + "1," * (SIZE // 2),
    "quotes": '"' * SIZE,
    "empty rows": "\n" * SIZE,
}
BODIES = [
    *(("/predict", "application/json", name, body) for name, body in JSON_ROWS.items()),
    *(
        ("/predict?explain=true", "application/json", name, body)
        for name, body in JSON_ROWS.items()
        if name != "rows"
    ),
    *(("/invocations", "application/json", name, body) for name, body in TABLES.items()),
    *(("/invocations", "text/csv", name, body) for name, body in CSV.items()),
    *((INFER, "application/json", name, body) for name, body in TENSORS.items()),
]
"""Path, content type, name and body of requests that are refused."""
LISTS = [("/predict/csv", "text/csv", name, body) for name, body in CSV.items()]
"""The same of lists, which may be answered with errors."""


def post(predictor: PredictorProcess, path: str, content_type: str, body: bytes) -> httpx.Response:
    headers = {"Content-Type": content_type}
    return httpx.post(predictor.url + path, content=body, headers=headers, timeout=60)


def measure_growth(
    predictor: PredictorProcess, act: Callable[[], httpx.Response]
) -> tuple[float, httpx.Response]:
    """Return by how many MiB the peak of the process exceeds its memory before, and the result."""
    pid = predictor.process.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak, see proc(5)
    before = read_mebibytes(pid)
    answer = act()
    return read_mebibytes(pid, "VmHWM") - before, answer
