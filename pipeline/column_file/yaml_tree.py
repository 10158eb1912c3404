"""Parse YAML into plain values and remember the line of each.

Mapping keys are always text, and only `true` and `false` are booleans, as in YAML 1.2: `no` is a
category's name, not a boolean. Duplicate keys and aliases are errors.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value from the top of the file."""

_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_NULLS = ("", "~", "null", "Null", "NULL")


class YamlError(Exception):
    """The text is not YAML, or uses a part of it that the columns file does not support.

    Attributes:
        line: Line of the error, counted from 1.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str) -> tuple[Any, dict[Path, int]]:
    """Parse YAML.

    Args:
        text: The text of a file.

    Returns:
        The value of the file, and the line of every value in it, counted from 1.

    Raises:
        YamlError: If the text is not YAML, repeats a key or has an alias.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, str(error.problem)) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        position = getattr(error, "position", 0)
        raise YamlError(text.count("\n", 0, position) + 1, str(error).splitlines()[0]) from None
    lines: dict[Path, int] = {(): 1}
    return (_convert(node, (), lines, set()) if node else None), lines


def _convert(node: yaml.Node, path: Path, lines: dict[Path, int], seen: set[int]) -> Any:
    """Convert a node and everything below it."""
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise YamlError(line, "aliases (*name) are not supported; repeat the value")
    seen.add(id(node))
    lines.setdefault(path, line)
    if isinstance(node, yaml.ScalarNode):
        return _convert_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [
            _convert(child, (*path, index), lines, seen) for index, child in enumerate(node.value)
        ]
    mapping: dict[str, Any] = {}
    for key, child in node.value:
        key_line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError(key_line, "a key must be text")
        if key.value in mapping:
            first = lines[(*path, key.value)]
            raise YamlError(key_line, f"`{key.value}` is already set in line {first}")
        lines[(*path, key.value)] = key_line
        mapping[key.value] = _convert(child, (*path, key.value), lines, seen)
    return mapping


def _convert_scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:  # quoted or a block
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
