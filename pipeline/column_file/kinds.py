"""The kinds of features: numbers and categories.

The "Attributes" below are also the descriptions that editors show (docs/columns_schema.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from pipeline.column_file.blanks import BLANK, is_blank
from pipeline.column_file.dates import ISO, DateFormat, measure_time, parse_date
from pipeline.column_file.names import normalize_name
from pipeline.column_file.roles import STRICT, Identifier, Text

OTHER = "other"
"""Name of the category of unknown values."""
BLANK_DISTANCE = 0.1
"""Distance from the smallest accepted number to the one that represents a blank in models, as a
fraction of the accepted range."""


def _check_number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("must be a number")
    return value


Value = Annotated[float, PlainValidator(_check_number), WithJsonSchema({"type": "number"})]
"""A number that keeps its type: 15 stays an int."""


@dataclass(frozen=True)
class Number:
    """A numeric feature.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
        low: Smallest accepted value.
        high: Largest accepted value.
        typical: Smallest and largest value in the file: the range of generated values, of the
            page's sliders and of the bins that models cut the values into.
        step: Resolution of the values.
        unit: Unit of the values.
        description: What it measures.
        example: Value in the API's documentation.
        group_edges: Values at which the rows are divided into groups, which reports and gates
            compare; none for no groups.
        sensitive: Why the model is given this sensitive column; empty if it is not sensitive. The
            model card shows the reason, and what leaving the column out would cost.
        required: Whether every row must have a value. If not, a blank is accepted, and the model
            learns from it.
        section: Heading of the page's form under which it is found. Without any, a long form has
            a section for each kind.
        until: Makes the number the time from a date until another, in the unit `days` or `years`.
            The raw file then has dates in the column `raw`. The other date is a date such as
            2026-01-31, or the header of a column with dates.
        date_format: Format of these dates; dates such as 2026-01-31 are always accepted.
        kind: `number`.
    """

    __pydantic_config__ = STRICT

    name: Identifier
    raw: Text
    low: Value
    high: Value
    typical: tuple[Value, Value]
    step: Annotated[Value, Field(gt=0)]
    unit: str
    description: str
    example: Value
    group_edges: tuple[Value, ...] = ()
    sensitive: str = ""
    required: bool = True
    section: str = ""
    until: str = ""
    date_format: DateFormat = ISO
    kind: Literal["number"] = field(default="number", kw_only=True)

    @property
    def has_groups(self) -> bool:
        """Whether its values divide the rows into groups."""
        return bool(self.group_edges)

    @property
    def is_integer(self) -> bool:
        """Whether all values are whole numbers."""
        return float(self.step).is_integer()

    @property
    def is_text(self) -> bool:
        """Whether the raw file has text in this column: dates."""
        return bool(self.until)

    @cached_property
    def until_date(self) -> date | None:
        """The date at which the time ends; None if there is none, or a column has it."""
        return parse_date(self.until) if self.until else None

    @property
    def until_column(self) -> str:
        """Header of the column that the time ends at; empty if there is none."""
        return "" if self.until_date else self.until

    def measure_dates(self, start: str, end: str = "") -> float | None:
        """Return the time from the date in a text.

        Args:
            start: The text in the column `raw`.
            end: The text in the column `until`, if `until` is a column.

        Returns:
            The time; BLANK if one of the texts is blank, None if one has no date.
        """
        texts = [start, end] if self.until_column else [start]
        dates = [parse_date(text, self.date_format) for text in texts]
        if any(not one and not is_blank(text) for one, text in zip(dates, texts, strict=True)):
            return None
        first, last = dates[0], self.until_date or dates[-1]
        return measure_time(first, last, self.unit) if first and last else BLANK

    @property
    def blank_value(self) -> float:
        """The number that represents a blank in models, smaller than every value."""
        return self.low - BLANK_DISTANCE * (self.high - self.low)


@dataclass(frozen=True)
class Category:
    """A categorical feature.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
        codes: Name of each category -> its code, which the lake stores and a model learns from.
        frequencies: Fraction of the rows in each category, in the order of `codes`: the sample
            generator's weights.
        description: What it means.
        example: Category in the API's documentation.
        titles: Name of a category -> its title on the page, where the name itself reads badly.
        groups: Whether reports and gates compare the rows of the categories with each other.
        raw_values: What the raw file holds: `codes`, or the `names` of the categories.
        sensitive: Why the model is given this sensitive column; empty if it is not sensitive. The
            model card shows the reason, and what leaving the column out would cost.
        required: Whether every row must have a value. If not, a blank is accepted, and the model
            learns from it.
        section: Heading of the page's form under which it is found. Without any, a long form has
            a section for each kind.
        ordered: Whether the codes have an order: a larger one means more.
        unknown: What a value is that is not in `codes`: an error (`refuse`), or the category
            `other` of `codes`, which then holds all rare categories.
        kind: `category`.
    """

    __pydantic_config__ = STRICT

    name: Identifier
    raw: Text
    codes: dict[Text, Value] = field(hash=False)
    frequencies: tuple[Value, ...]
    description: str
    example: str
    titles: dict[str, Text] = field(default_factory=dict, hash=False)
    raw_values: Literal["codes", "names"] = "codes"
    groups: bool = True
    sensitive: str = ""
    required: bool = True
    section: str = ""
    ordered: bool = False
    unknown: Literal["refuse", "other"] = "refuse"
    kind: Literal["category"] = field(default="category", kw_only=True)

    @property
    def has_groups(self) -> bool:
        """Whether its categories divide the rows into groups."""
        return self.groups

    @property
    def is_text(self) -> bool:
        """Whether the raw file has text in this column: names of categories."""
        return self.raw_values == "names"

    @cached_property
    def _code_by_name(self) -> dict[str, float]:
        titled = [(self.titles.get(name, name), code) for name, code in self.codes.items()]
        return {normalize_name(name): float(code) for name, code in [*titled, *self.codes.items()]}

    def get_code(self, name: str) -> float | None:
        """Return the code of a category by its name or title; None for an unknown name.

        Case, spaces, hyphens and underscores do not matter: `Non-STEM` is `non_stem`.
        """
        return self._code_by_name.get(normalize_name(name))

    @property
    def other_code(self) -> float | None:
        """Code of unknown values; None if they are refused."""
        return self.get_code(OTHER) if self.unknown == OTHER else None

    @property
    def names(self) -> dict[float, str]:
        """Code of each category -> its name."""
        return {code: name for name, code in self.codes.items()}

    @property
    def is_integer(self) -> bool:
        """Whether all codes are whole numbers."""
        return all(float(code).is_integer() for code in self.codes.values())

    @property
    def blank_value(self) -> float:
        """The number that represents a blank in models, smaller than every code."""
        return min(self.codes.values()) - 1


Feature = Number | Category
