"""Columns that are not features: the person, the term, and groups of rows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from pipeline.column_file.dates import parse_date

STRICT = ConfigDict(extra="forbid")

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
"""A name in JSON, MLflow and file headers."""
Text = Annotated[str, Field(min_length=1)]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")
_PART_OF_YEAR = re.compile(r"(\d{4})[-/ ]?[A-Za-z]{0,2}(\d{1,2})")
TERM_FORMATS = "a number, a term such as 2025-1 or 2025/26, or a date such as 2025-09-01"


def _to_text(value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:g}" if is_number else value


TermText = Annotated[
    Text, BeforeValidator(_to_text), WithJsonSchema({"type": ["string", "number"]})
]


@dataclass(frozen=True)
class Key:
    """The column that identifies the person or thing that a row is about.

    Ingest replaces its values by pseudonyms. All rows of a person are in the same split and fold.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
    """

    __pydantic_config__ = STRICT

    name: Identifier
    raw: Text


@dataclass(frozen=True)
class Time:
    """The column with the term or the day of a row. The newest rows are the test split.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
        order: The terms from the oldest to the newest. It is only needed if they are neither
            numbers, nor terms such as 2025-1 or 2025/26, nor dates such as 2025-09-01.
    """

    __pydantic_config__ = STRICT

    name: Identifier
    raw: Text
    order: tuple[TermText, ...] = ()

    def parse(self, term: str) -> tuple[float, ...] | None:
        """Return the place of a term among others, as numbers to sort by; None if it has none."""
        term = term.strip()
        if self.order:
            return (float(self.order.index(term)),) if term in self.order else None
        if day := parse_day(term):
            return (float(day.year), float(day.month), float(day.day))
        if part := _PART_OF_YEAR.fullmatch(term):
            return (float(part[1]), float(part[2]))
        try:
            number = float(term)
        except ValueError:
            return None
        return (number,) if math.isfinite(number) else None

    @property
    def expected(self) -> str:
        """The values that the column may have."""
        if self.order:
            return f"one of {', '.join(self.order)}"
        return f"{TERM_FORMATS}; for other terms, list them in `time.order` of the columns file"


@dataclass(frozen=True)
class Group:
    """A column that divides the rows into groups, such as a class or a tutor.

    No model sees it. Reports show the results of each group. A row can be in no group: its value
    is blank.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
        split: Whether all rows of a group are in the same split and fold, so that the figures
            are for groups that the model has not seen.
    """

    __pydantic_config__ = STRICT

    name: Identifier
    raw: Text
    split: bool = False


Role = Key | Time | Group


@dataclass(frozen=True)
class Roles:
    """The columns of a table that are neither features nor the label.

    Attributes:
        key: The person; None if the table has no such column.
        time: The term; None if the table has no such column.
        groups: Columns whose values divide the rows into groups.
    """

    key: Key | None = None
    time: Time | None = None
    groups: tuple[Group, ...] = ()

    @property
    def columns(self) -> tuple[Role, ...]:
        """All columns, in the order in which silver and gold have them."""
        single: tuple[Role | None, ...] = (self.key, self.time)
        return (*(role for role in single if role), *self.groups)

    @property
    def unit_names(self) -> list[str]:
        """Names of the columns whose rows with the same value stay together."""
        key = [self.key.name] if self.key else []
        return [*key, *(group.name for group in self.groups if group.split)]


def parse_day(term: str) -> date | None:
    """Return the day of a date in ISO 8601 form, with or without a time; None for other text."""
    return parse_date(term) if _DAY.fullmatch(term.strip()) else None


def are_days(terms: Sequence[str]) -> bool:
    """Whether all terms are days."""
    return all(parse_day(term) is not None for term in terms)
