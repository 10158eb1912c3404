"""Whatever bytes come: an answer, none of it a 500, and the process goes on."""

from __future__ import annotations

import json
import random

import httpx
import pytest

from serving.http.requests import EXAMPLE
from serving.oip_schema import EXAMPLE_TENSOR

GOOD = json.dumps([EXAMPLE, EXAMPLE]).encode()
TENSOR = json.dumps(EXAMPLE_TENSOR).encode()
SPLIT = json.dumps(
    {"dataframe_split": {"columns": list(EXAMPLE), "data": [list(EXAMPLE.values())]}}
).encode()
LIST = (",".join(EXAMPLE) + ("\n" + ",".join(map(str, EXAMPLE.values()))) * 3).encode()

TARGETS = [
    ("/predict", "application/json", GOOD),
    ("/predict?explain=true", "application/json", GOOD),
    ("/predict/csv", "text/csv", LIST),
    ("/invocations", "application/json", SPLIT),
    ("/invocations", "text/csv", LIST),
    ("/v2/models/student-performance/infer", "application/json", TENSOR),
]
TOKENS = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"null",
    b"true",
    b'"',
    b"{}",
    b"[]",
    b"\x00",
    b"\xff",
    b"-0",
    b"\\ud800",
]
ROUNDS = 300
ALLOWED = {200, 400, 413, 415, 422}


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body cut off, with bytes changed, with pieces repeated, or nothing but noise."""
    kind = chance.randrange(5)
    if kind == 0:
        return body[: chance.randrange(len(body))]
    if kind == 1:
        changed = bytearray(body)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if kind == 2:
        start, end = sorted(chance.randrange(len(body)) for _ in range(2))
        return body[:end] + body[start:]
    if kind == 3:
        token = chance.choice(TOKENS)
        place = chance.randrange(len(body))
        return body[:place] + token + body[place + chance.randrange(4) :]
    return chance.randbytes(chance.randrange(200))


@pytest.mark.parametrize(
    ("path", "kind", "body"), TARGETS, ids=[f"{path} {kind}" for path, kind, _ in TARGETS]
)
def test_any_bytes(client: httpx.Client, path: str, kind: str, body: bytes) -> None:
    """Mutations of a good body, and noise, are answered within the client's time, and never by a 500."""
    chance = random.Random(20)
    for _ in range(ROUNDS):
        sent = mutated(body, chance)
        answer = client.post(path, content=sent, headers={"Content-Type": kind})
        assert answer.status_code in ALLOWED, (sent, answer.text)
    assert client.post(path, content=body, headers={"Content-Type": kind}).status_code == 200
