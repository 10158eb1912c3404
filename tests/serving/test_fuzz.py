"""Random bytes get a response that is not a 500, and the predictor continues to work.

tests/serving/test_openapi.py generates requests from the schema; these are no valid JSON or CSV.
"""

from __future__ import annotations

import json
import random

import httpx
import pytest

from serving.http.rows import EXAMPLE
from serving.oip_schema import EXAMPLE_TENSOR
from tests.support.predictor import INFER

VALID = json.dumps([EXAMPLE, EXAMPLE]).encode()
TENSOR = json.dumps(EXAMPLE_TENSOR).encode()
SPLIT = json.dumps(
    {"dataframe_split": {"columns": list(EXAMPLE), "data": [list(EXAMPLE.values())]}}
).encode()
LIST = (",".join(EXAMPLE) + ("\n" + ",".join(map(str, EXAMPLE.values()))) * 3).encode()

TARGETS = [
    ("/predict", "application/json", VALID),
    ("/predict?explain=true", "application/json", VALID),
    ("/predict/csv", "text/csv", LIST),
    ("/invocations", "application/json", SPLIT),
    ("/invocations", "text/csv", LIST),
    (INFER, "application/json", TENSOR),
]
TOKENS = [
    *(b"NaN", b"-Infinity", b"1e999", b"null", b"true", b'"', b"{}", b"[]"),
    *(b"\x00", b"\xff", b"-0", b"\\ud800"),
]
ROUNDS = 60
ALLOWED = {200, 400, 413, 415, 422}


def mutate(body: bytes, chance: random.Random) -> bytes:
    """Truncate the body, change bytes, repeat parts, insert a token, or replace it by noise."""
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
    ("path", "content_type", "body"), TARGETS, ids=[f"{path} {kind}" for path, kind, _ in TARGETS]
)
def test_mutated_bodies(client: httpx.Client, path: str, content_type: str, body: bytes) -> None:
    """Every mutated body gets a response without a 500; the valid body still gets 200."""
    chance = random.Random(20)
    headers = {"Content-Type": content_type}
    for _ in range(ROUNDS):
        sent = mutate(body, chance)
        answer = client.post(path, content=sent, headers=headers)
        assert answer.status_code in ALLOWED, (sent, answer.text)
    assert client.post(path, content=body, headers=headers).status_code == 200
