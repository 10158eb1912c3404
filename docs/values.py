"""The chart's values: the reference page from values.yaml and its schema, and the part of the schema that lists the settings.

`make docs` writes both; tests/chart/test_values.py fails when one is not up to date.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.settings import variables
from serving.settings import Settings

CHART = Path(__file__).parents[1] / "charts" / "student-mlops"
SCHEMA = CHART / "values.schema.json"

DERIVED = (
    "MLOPS_CODE_VERSION",
    "MLOPS_IMAGE",
    "MLOPS_LAKE__ENDPOINT",
    "MLOPS_LAKE__URL",
    "MLOPS_MLFLOW__ARTIFACTS",
    "MLOPS_MLFLOW__TRACKING_URI",
    "MLOPS_PREDICTOR__API_KEY",
    "MLOPS_PREDICTOR__HOST",
    "MLOPS_PREDICTOR__PORT",
    "MLOPS_PREDICTOR__READY_WITHOUT_MODEL",
    "MLOPS_PREDICTOR__URL",
)
"""Settings that values may not give: the images carry them, or the chart takes them from other values."""


@dataclass(frozen=True)
class Value:
    """A key of values.yaml: its place, the comment above it, its default, and whether other keys lie below it."""

    path: tuple[str, ...]
    comment: str
    default: Any
    is_section: bool

    @property
    def name(self) -> str:
        return ".".join(self.path)


@functools.cache
def values() -> list[Value]:
    """Every commented key of values.yaml, in its order; a mapping on one line is one value."""
    text = (CHART / "values.yaml").read_text()
    return list(_below((), yaml.compose(text), yaml.safe_load(text), text.splitlines()))


def _below(path: tuple[str, ...], node: Any, defaults: Any, lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        own, default = (*path, key.value), defaults[key.value]
        is_section = isinstance(value, yaml.MappingNode) and not value.flow_style
        yield Value(own, _comment_above(key.start_mark.line, lines), default, is_section)
        if is_section:
            yield from _below(own, value, default, lines)


def _comment_above(line: int, lines: list[str]) -> str:
    above: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(above)


def header() -> str:
    """The paragraph of values.yaml's own comment that is no value's."""
    lines = itertools.takewhile(
        lambda line: line.startswith("#"), (CHART / "values.yaml").read_text().splitlines()
    )
    return "\n".join(line.removeprefix("#").strip() for line in lines).split("\n\n", 1)[1]


def type_of(path: tuple[str, ...], schema: dict[str, Any]) -> str:
    """What the schema accepts there, for people."""
    part = resolve(schema, schema)
    for key in path:
        part = resolve(part["properties"][key], schema)
    if "enum" in part:
        return " or ".join(f"`{choice}`" for choice in part["enum"])
    kinds = part.get("type", "any")
    return " or ".join(
        [kinds] if isinstance(kinds, str) else [kind for kind in kinds if kind != "null"]
    )


def resolve(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The part itself, or what it refers to."""
    while "$ref" in part:
        part = schema["definitions"][part["$ref"].removeprefix("#/definitions/")]
    return part


def page() -> str:
    """docs/reference/values.md."""
    schema = json.loads(SCHEMA.read_text())
    lines = [
        "# Values of the chart",
        "",
        "From [values.yaml](/charts/student-mlops/values.yaml). Any other key is refused, by",
        "[values.schema.json](/charts/student-mlops/values.schema.json).",
        "`helm install NAME charts/student-mlops --set KEY=VALUE`, or a file with `--values`.",
        "",
        header(),
    ]
    in_table = False
    for value in values():
        if len(value.path) == 1:
            lines += ["", f"## {value.name}", "", value.comment]
            in_table = False
            if value.is_section:
                continue
        if value.is_section:
            in_table = False
            lines += ["", f"### {value.name}", "", value.comment]
            continue
        if not in_table:
            lines += ["", "| value | type | default | meaning |", "| --- | --- | --- | --- |"]
            in_table = True
        default = "" if value.default in (None, "") else f"`{json.dumps(value.default)}`"
        meaning = value.comment if len(value.path) > 1 else ""
        lines.append(f"| `{value.name}` | {type_of(value.path, schema)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def schema_text() -> str:
    """values.schema.json with the settings as the code has them now."""
    schema = json.loads(SCHEMA.read_text())
    schema["definitions"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": ["string", "number", "boolean"], "description": description}
            for name, (description, _) in variables(Settings).items()
            if name not in DERIVED
        },
    }
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    SCHEMA.write_text(schema_text())


if __name__ == "__main__":
    main()
