"""HTTP clients of other languages, with their defaults."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import requests

from serving.csv_scoring import Table
from serving.http.requests import Reader
from serving.http.rows import EXAMPLE
from serving.model.served_model import load
from tests.support.csv_lists import HEADER, ROW
from tests.support.forest import make_bundle

PROGRAMS = Path(__file__).parent / "clients"
JSON, CSV = "application/json", "text/csv"


class Post(NamedTuple):
    """A request."""

    path: str
    content_type: str
    file: Path


Responses = list[tuple[int, bytes]]
Client = Callable[[str, list[Post]], Responses]


def post_by_httpx(url: str, posts: list[Post]) -> Responses:
    with httpx.Client(base_url=url, timeout=60) as client:
        answers = [
            client.post(path, content=file.read_bytes(), headers={"Content-Type": content_type})
            for path, content_type, file in posts
        ]
    return [(answer.status_code, answer.content) for answer in answers]


def post_by_requests(url: str, posts: list[Post]) -> Responses:
    with requests.Session() as session:
        answers = [
            session.post(
                url + path, file.read_bytes(), headers={"Content-Type": content_type}, timeout=60
            )
            for path, content_type, file in posts
        ]
    return [(answer.status_code, answer.content) for answer in answers]


def post_by_curl(url: str, posts: list[Post]) -> Responses:
    answers = []
    for path, content_type, file in posts:
        headers = ["-H", f"Content-Type: {content_type}"]
        command = ["curl", "-sS", "--http2", *headers, "-w", "%{stderr}%{http_code}"]
        done = subprocess.run(
            [*command, "--data-binary", f"@{file}", url + path], capture_output=True, check=True
        )
        answers.append((int(done.stderr), done.stdout))
    return answers


def run_program(*command: str) -> Client:
    """Return the client that a program of PROGRAMS is; it prints status and body in Base64."""

    def post(url: str, posts: list[Post]) -> Responses:
        arguments = [str(argument) for request in posts for argument in request]
        output = subprocess.run(
            [*command, url, *arguments],
            cwd=PROGRAMS,
            env=os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "CGO_ENABLED": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        answers = [line.split(" ") for line in output.splitlines()]
        return [(int(status), base64.b64decode(body)) for status, body in answers]

    return post


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.mark.timeout(600)  # Go compiles its library when it runs for the first time
@pytest.mark.parametrize(
    "post",
    [
        pytest.param(post_by_httpx, id="httpx"),
        pytest.param(post_by_requests, id="requests"),
        pytest.param(post_by_curl, id="curl", marks=needs("curl")),
        pytest.param(run_program("java", "Post.java"), id="Java", marks=needs("javac")),
        pytest.param(run_program("go", "run", "post.go"), id="Go", marks=needs("go")),
        pytest.param(run_program("node", "post.mjs"), id="Node", marks=needs("node")),
    ],
)
def test_client(url: str, tmp_path: Path, post: Client) -> None:
    """JSON, a list and a body over the limit get their responses from one client after another."""
    model = load(make_bundle(), "test", None, tolerance=1e-5, cache_size=0)
    row, rows, large = (tmp_path / name for name in ("row.json", "rows.csv", "large.json"))
    row.write_text(json.dumps(EXAMPLE))
    rows.write_text(f"{HEADER}\n" + f"{ROW}\n" * 5_000)
    large.write_bytes(b" " * 3_000_000)
    prediction = model.response_body(model.score(Reader(1).rows(row.read_bytes())))
    predictions = Table(model).feed(rows.read_bytes(), last=True)

    requested = [
        Post("/predict", JSON, row),
        Post("/predict/csv", CSV, rows),
        Post("/predict", JSON, large),
        Post("/predict?explain=true", JSON, row),
    ]
    first, listed, refused, explained = post(url, requested)
    assert first == (200, prediction)
    assert listed == (200, predictions)
    assert refused[0] == 413
    assert explained[0] == 200
    assert json.loads(explained[1])["predictions"][0]["explanation"]
