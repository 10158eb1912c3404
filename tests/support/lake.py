"""JSON objects of a lake as plain values, for tests that change or compare them."""

from __future__ import annotations

import json
from typing import Any

from pipeline.storage.lake import Lake, to_json_bytes


def read_json(lake: Lake, key: str) -> Any:
    return json.loads(lake.read(key))


def write_json(lake: Lake, key: str, value: Any) -> str:
    """Write a value, and return the SHA-256 of its bytes."""
    return lake.write(key, to_json_bytes(value))
