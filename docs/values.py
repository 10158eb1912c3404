"""The reference page of the chart's values, and the generated parts of the values' schema."""

from __future__ import annotations

import functools
import itertools
import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from docs import stage_table
from pipeline.environment import variables
from serving.settings import Settings

CHART = Path(__file__).parents[1] / "charts" / "student-mlops"
SCHEMA = CHART / "values.schema.json"
MAX_COLUMNS = 100

DERIVED = (
    "MLOPS_CODE_VERSION",
    "MLOPS_COLUMNS",
    "MLOPS_DASK__CA",
    "MLOPS_DASK__CERTIFICATE",
    "MLOPS_DASK__KEY",
    "MLOPS_DASK__SCHEDULER",
    "MLOPS_IMAGE",
    "MLOPS_DEPLOYMENT__REQUIRE_APPROVAL",
    "MLOPS_DEPLOYMENT__SUMMARY_FILE",
    "MLOPS_INGEST__KEY_SECRET",
    "MLOPS_LAKE__ENDPOINT",
    "MLOPS_LAKE__URL",
    "MLOPS_MLFLOW__ARTIFACTS",
    "MLOPS_MLFLOW__TRACKING_URI",
    "MLOPS_PREDICTOR__API_KEY",
    "MLOPS_PREDICTOR__API_KEYS_FILE",
    "MLOPS_PREDICTOR__HOST",
    "MLOPS_PREDICTOR__METRICS_PORT",
    "MLOPS_PREDICTOR__OIDC__CLIENT_ID",
    "MLOPS_PREDICTOR__OIDC__ISSUER",
    "MLOPS_PREDICTOR__OIDC__ROLES",
    "MLOPS_PREDICTOR__OIDC__ROLES_CLAIM",
    "MLOPS_PREDICTOR__PORT",
    "MLOPS_PREDICTOR__READY_WITHOUT_MODEL",
    "MLOPS_PREDICTOR__SESSION_SECRET",
    "MLOPS_PREDICTOR__TLS_CERTIFICATE_FILE",
    "MLOPS_PREDICTOR__TLS_KEY_FILE",
    "MLOPS_PREDICTOR__URL",
    "MLOPS_SECRETS_FOLDER",
)
"""Settings that `settings` in the values may not hold. An image sets them, or the chart derives
them from other values."""


@dataclass(frozen=True)
class Value:
    """A key of values.yaml.

    Attributes:
        path: The key and the keys above it.
        comment: The comment above the key.
        default: Its value in values.yaml.
        is_section: Whether the page lists the keys below it. A mapping on one line is one value.
    """

    path: tuple[str, ...]
    comment: str
    default: Any
    is_section: bool

    @property
    def name(self) -> str:
        """The path as `helm --set` writes it."""
        return ".".join(self.path)


@functools.cache
def values() -> list[Value]:
    """Return every key of values.yaml in the order of the file."""
    text = (CHART / "values.yaml").read_text()
    return list(_keys_below((), yaml.compose(text), yaml.safe_load(text), text.splitlines()))


def _keys_below(
    path: tuple[str, ...], node: Any, defaults: Any, lines: list[str]
) -> Iterator[Value]:
    for key, value in node.value:
        own, default = (*path, key.value), defaults[key.value]
        is_section = isinstance(value, yaml.MappingNode) and not value.flow_style
        yield Value(own, _comment_above(key.start_mark.line, lines), default, is_section)
        if is_section:
            yield from _keys_below(own, value, default, lines)


def _comment_above(line: int, lines: list[str]) -> str:
    above: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(above)


def header() -> str:
    """Return the second paragraph of the comment at the head of values.yaml."""
    lines = itertools.takewhile(
        lambda line: line.startswith("#"), (CHART / "values.yaml").read_text().splitlines()
    )
    return "\n".join(line.removeprefix("#").strip() for line in lines).split("\n\n", 1)[1]


def get_type(path: tuple[str, ...], schema: dict[str, Any]) -> str:
    """Return the type that the schema gives a value, as the page shows it."""
    part = resolve(schema, schema)
    for key in path:
        part = resolve(part["properties"][key], schema)
    if "enum" in part:
        return " or ".join(f"`{choice}`" for choice in part["enum"])
    types = part.get("type", "any")
    return " or ".join(
        [types] if isinstance(types, str) else [name for name in types if name != "null"]
    )


def resolve(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow the references of a part of the schema."""
    while "$ref" in part:
        part = schema["definitions"][part["$ref"].removeprefix("#/definitions/")]
    return part


def page() -> str:
    """Return docs/reference/values.md."""
    schema = json.loads(SCHEMA.read_text())
    lines = [
        "# Chart values",
        "",
        "Generated from [values.yaml](/charts/student-mlops/values.yaml) and",
        "[its schema](/charts/student-mlops/values.schema.json).",
        "Set a value with `helm install NAME charts/student-mlops --set KEY=VALUE`, or several",
        "in a file with `--values`.",
        "",
        header(),
    ]
    in_table = False
    for value in values():
        if len(value.path) == 1:
            lines += ["", f"## {value.name}", "", _wrap(value.comment)]
            in_table = False
            if value.is_section:
                continue
        if value.is_section:
            in_table = False
            lines += ["", f"### {value.name}", "", _wrap(value.comment)]
            continue
        if not in_table:
            lines += ["", "| value | type | default | meaning |", "| --- | --- | --- | --- |"]
            in_table = True
        default = "" if value.default in (None, "") else f"`{json.dumps(value.default)}`"
        meaning = value.comment if len(value.path) > 1 else ""
        lines.append(f"| `{value.name}` | {get_type(value.path, schema)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _wrap(text: str) -> str:
    return textwrap.fill(text, MAX_COLUMNS, break_long_words=False, break_on_hyphens=False)


def schema() -> str:
    """Return values.schema.json with its generated parts.

    These are the images, stages and identities, which values.yaml lists, and the settings.
    """
    loaded = json.loads(SCHEMA.read_text())
    defaults = yaml.safe_load(stage_table.chart_values())
    sections = loaded["properties"]
    for section, keys, definition in (
        (sections["images"], defaults["images"], "image"),
        (sections["stages"], defaults["stages"], "stage"),
        (
            sections["objectStore"]["properties"]["identities"],
            defaults["objectStore"]["identities"],
            "identity",
        ),
    ):
        section["properties"] = {key: {"$ref": f"#/definitions/{definition}"} for key in keys}
    loaded["definitions"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": ["string", "number", "boolean"], "description": description}
            for name, (description, _) in variables(Settings).items()
            if name not in DERIVED
        },
    }
    return json.dumps(loaded, indent=2) + "\n"
