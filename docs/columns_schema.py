"""The JSON schema of columns files, by which editors complete and check them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

from pipeline.column_file import kinds, model
from pipeline.column_file.reader import ADAPTER

PATH = Path(__file__).parent / "reference" / "columns.schema.json"
ROOT = "Columns"
CLASSES: dict[str, type] = {**vars(kinds), **vars(model)}
"""Name of a definition -> its class."""


def schema() -> str:
    """Return docs/reference/columns.schema.json."""
    generated = ADAPTER.json_schema()
    for name, definition in {ROOT: generated, **generated["$defs"]}.items():
        _describe(definition, CLASSES[name])
    return (
        json.dumps(
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                **generated,
                "title": "A columns file",
            },
            indent=2,
        )
        .replace("#/$defs/", "#/definitions/")
        .replace('"$defs"', '"definitions"')
        + "\n"
    )


def _describe(definition: dict[str, Any], cls: type) -> None:
    """Replace generated titles by the descriptions in the docstring of a class."""
    summary, _, attributes = inspect.getdoc(cls).partition("Attributes:")  # type: ignore[union-attr]
    definition["description"] = " ".join(summary.split())
    definition.pop("title", None)
    descriptions = dict(re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |\Z)", attributes, re.M | re.S))
    for name, field in definition["properties"].items():
        field.pop("title", None)
        field["description"] = " ".join(descriptions[name].split())
    if "kind" in definition["properties"]:
        definition["required"].append("kind")
