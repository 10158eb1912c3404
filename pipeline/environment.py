"""Read typed settings from environment variables with the prefix `MLOPS_`.

The field `min_rows` of the section `drift` is the variable `MLOPS_DRIFT__MIN_ROWS`. This module
knows no setting; settings/ lists them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import SettingsError

PREFIX = "MLOPS_"
DELIMITER = "__"


class Section(BaseModel):
    """A frozen group of settings; unknown fields are refused.

    The docstring under a field is its description in the documentation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Join the lines of each description."""
        for info in cls.model_fields.values():
            info.description = " ".join((info.description or "").split())


class EnvironmentSettings(Section):
    """Settings whose fields, and those of their sections, are environment variables."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Variables of earlier releases, each with the name to use now."""

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from the environment.

        Args:
            environment: The variables; None for those of this process.

        Returns:
            The settings, with defaults for the variables that are not set.

        Raises:
            SettingsError: If a variable is unknown, renamed, malformed, or contradicts another.
        """
        present = os.environ if environment is None else environment
        known = variables(cls)
        cls._check_names(present, known)
        try:
            return cls(**_nest({name: present[name] for name in known if name in present}))
        except ValidationError as error:
            raise SettingsError("; ".join(_describe_errors(error))) from None

    @classmethod
    def _check_names(cls, present: Iterable[str], known: Collection[str]) -> None:
        """Raise SettingsError for a variable that was renamed or does not exist."""
        ignored = tuple(_ignored_prefixes(cls))
        for name in sorted(present):
            if name in cls.renamed:
                raise SettingsError(f"{name} was renamed to {cls.renamed[name]}: set that instead")
            if name.startswith(PREFIX) and name not in known and not name.startswith(ignored):
                near = difflib.get_close_matches(name, known, n=1)
                hint = (
                    f"did you mean {near[0]}?"
                    if near
                    else "`python -m pipeline settings` lists all settings"
                )
                raise SettingsError(f"{name} is not a setting; {hint}")


def variables(settings: type[Section]) -> dict[str, tuple[str, Any]]:
    """Return every environment variable of a settings class.

    Returns:
        Name of the variable -> (description, default).
    """
    return {_variable(path): facts for path, facts in _fields(settings)}


def current_values(section: Section, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the name of every variable with its current value.

    Args:
        section: The settings, or a section of them.
        path: Names of the sections above.
    """
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from current_values(value, (*path, name))
        else:
            yield _variable((*path, name)), value


def _variable(path: Iterable[Any]) -> str:
    return PREFIX + DELIMITER.join(str(part) for part in path).upper()


def _fields(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], tuple[str, Any]]]:
    for name, info in model.model_fields.items():
        if isinstance(info.default, Section):
            yield from _fields(type(info.default), (*path, name))
        else:
            yield (*path, name), (info.description or "", info.default)


def _ignored_prefixes(settings: type[Section]) -> Iterator[str]:
    """Prefixes of the sections whose unknown variables belong to another program."""
    for name, info in settings.model_fields.items():
        if isinstance(info.default, Section) and info.default.model_config["extra"] == "ignore":
            yield _variable((name, ""))


def _nest(flat: Mapping[str, str]) -> dict[str, Any]:
    """Turn `{"MLOPS_DRIFT__MIN_ROWS": "5"}` into `{"drift": {"min_rows": "5"}}`."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, field = name.removeprefix(PREFIX).lower().split(DELIMITER)
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[field] = value
    return tree


def _describe_errors(error: ValidationError) -> Iterator[str]:
    """One sentence per error, with the variable and its value."""
    for item in error.errors():
        message = item["msg"].removeprefix("Value error, ")
        is_about_several_fields = isinstance(item["input"], dict)
        yield (
            message
            if is_about_several_fields
            else f"{_variable(item['loc'])} is {item['input']!r}: {message}"
        )


def split_at_commas(value: Any) -> Any:
    """Split `a,b` into a tuple; return anything but text unchanged."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())
