"""Read a columns file, and report every error in it with its line and field."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipeline.column_file import yaml_tree
from pipeline.column_file.checks import find_problems
from pipeline.column_file.kinds import Category, Feature, Number
from pipeline.column_file.model import CardFacts, Columns, Expectation, Label, SampleEffect
from pipeline.column_file.roles import Group, Key, Time
from pipeline.column_file.yaml_tree import Path, YamlError
from pipeline.errors import ColumnsError

KINDS: dict[str, type[Feature]] = {"number": Number, "category": Category}
"""Value of a feature's `kind` -> its class."""

LISTS = ("features", "audit_only")
"""The lists of a columns file whose items have a `kind`."""
ADAPTER = TypeAdapter(Columns)
COLUMNS_VARIABLE = "MLOPS_COLUMNS"
"""Environment variable with the path of the columns file in use."""
COLUMNS_SUFFIX = ".columns.yaml"
MAX_ERRORS = 20
"""Errors that a message lists."""


def find_columns(data: str) -> FilePath | None:
    """Return the columns file that `adopt` wrote next to a data file; None if there is none."""
    path = name_columns(FilePath(data))
    return path if path.is_file() else None


def name_columns(data: FilePath) -> FilePath:
    """Return the path at which `adopt` writes the columns file of a data file."""
    return data.with_name(f"{data.stem}{COLUMNS_SUFFIX}")


def read_columns(path: FilePath) -> Columns:
    """Read a columns file.

    Args:
        path: The file.

    Returns:
        Its contents.

    Raises:
        ColumnsError: If the file cannot be read or has errors; the message has a line for each.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ColumnsError(f"The columns file {path} cannot be read: {reason}.") from None
    return parse_columns(text, str(path))


def parse_columns(text: str, name: str) -> Columns:
    """Parse the text of a columns file.

    Args:
        text: The text.
        name: Name of the file, for error messages.

    Returns:
        The contents.

    Raises:
        ColumnsError: If the text has errors; the message has a line for each.
    """
    try:
        tree, lines = yaml_tree.parse(text)
    except YamlError as error:
        raise _make_error(name, [f"{name}:{error.line}: {error}"]) from None
    try:
        columns = ADAPTER.validate_python(tree)
        problems = list(find_problems(columns))
    except ValidationError as error:
        problems = list(_describe(error, tree))
    if not problems:
        return columns
    problems.sort(key=lambda problem: _find_line(problem[0], lines))
    shown = [
        f"{name}:{_find_line(path, lines)}: {_join(path)}{message}"
        for path, message in problems[:MAX_ERRORS]
    ]
    if len(problems) > MAX_ERRORS:
        shown.append(f"... and {len(problems) - MAX_ERRORS} more")
    raise _make_error(name, shown)


def _make_error(name: str, lines: list[str]) -> ColumnsError:
    return ColumnsError("\n".join([f"The columns file {name} has errors:", *lines]))


def _describe(error: ValidationError, tree: Any) -> Iterator[tuple[Path, str]]:
    """Yield path and sentence of each error that pydantic found."""
    for item in error.errors(include_url=False):
        path = _strip_tags(item["loc"])
        yield path, _describe_item(item, path, tree)


def _strip_tags(location: tuple[int | str, ...]) -> Path:
    """Remove what pydantic adds to a path: the kind after a feature's index, and `[key]`."""
    return tuple(
        part
        for index, part in enumerate(location)
        if part != "[key]" and not (index == 2 and location[0] in LISTS and part in KINDS)
    )


def _describe_item(item: ErrorDetails, path: Path, tree: Any) -> str:
    given, kind = item["input"], item["type"]
    if kind == "missing":
        return "is missing"
    if kind == "unexpected_keyword_argument":
        fields = _get_fields(path, tree)
        near = difflib.get_close_matches(str(path[-1]), fields, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"the fields are {', '.join(fields)}"
        return f"is not a field here; {hint}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return f"needs a `kind`, which is one of {', '.join(KINDS)}"
    if kind == "dataclass_type":
        return "must be a mapping of fields to values"
    if kind == "string_pattern_mismatch" and path[-1] == "name":
        return f"`{given}` must consist of a-z, 0-9 and _, and begin with a letter"
    message = item["msg"].removeprefix("Value error, ")
    message = message.removeprefix("Input ").replace("valid string", "text; quote it")
    return f"{given!r}: {message}" if isinstance(given, (str, int, float)) else message


def _get_fields(path: Path, tree: Any) -> list[str]:
    """Return the names of the fields that belong where this path ends."""
    owner: Any
    match path[:-1]:
        case ():
            owner = Columns
        case (("features" | "audit_only") as name, int(index)):
            owner = KINDS[tree[name][index]["kind"]]
        case ("label",):
            owner = Label
        case ("key",):
            owner = Key
        case ("time",):
            owner = Time
        case ("groups", _):
            owner = Group
        case ("card",):
            owner = CardFacts
        case ("sample_effects", _):
            owner = SampleEffect
        case _:
            owner = Expectation
    return list(owner.__dataclass_fields__)


def _find_line(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of a value, or of the closest one around it."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _join(path: Path) -> str:
    """Write a path as `features[0].low: `."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return f"{text}: " if text else ""
