"""The contents of a columns file.

The "Attributes" below are also the descriptions that editors show (docs/columns_schema.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from pipeline.column_file.blanks import BLANK, is_blank
from pipeline.column_file.dates import ISO, DateFormat, measure_time, parse_date
from pipeline.column_file.outcome import (
    Outcome,
    check_outcome,
    get_example,
    get_options,
    is_text,
    matches,
)
from pipeline.column_file.roles import STRICT, Group, Identifier, Key, Roles, Text, Time

MAX_NAME_LENGTH = 1_000
"""Characters of a name that are read; a request may hold longer ones."""

OTHER = "other"
"""Name of the category of unknown values."""
BLANK_DISTANCE = 0.1
"""Distance from the smallest accepted number to the one that stands for a blank in models, as a
fraction of the accepted range."""


def normalize_name(name: str) -> str:
    """Return a name in lower case, with a space for spaces, hyphens and underscores."""
    name = name[:MAX_NAME_LENGTH].replace("\u2019", "'")
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def to_title(name: str) -> str:
    """Return the title of a name: "Review hours" for `review_hours`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def to_slug(text: str) -> str:
    """Return a text in lower case, with hyphens for whatever is no letter or digit."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def find_equal_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that `normalize_name` cannot tell from an earlier one, after that one."""
    first: dict[str, str] = {}
    for name in names:
        same = first.setdefault(normalize_name(name), name)
        if same != name:
            yield same, name


def _check_number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("must be a number")
    return value


Value = Annotated[float, PlainValidator(_check_number), WithJsonSchema({"type": "number"})]
"""A number that keeps its type: 15 stays an int."""
RawOutcome = Annotated[
    Outcome,
    PlainValidator(check_outcome),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"]},
                {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 1},
            ]
        }
    ),
]


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
        """The number that stands for a blank in models; no value is as small."""
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
        """The number that stands for a blank in models; no code is as small."""
        return min(self.codes.values()) - 1


Feature = Number | Category


@dataclass(frozen=True)
class Label:
    """The outcome that the model predicts.

    The rare outcome is the positive one, so that recall measures how many of the rows that matter
    are found.

    Attributes:
        name: Its name from silver on, where it is 1 for the positive outcome and 0 otherwise.
        raw: Its header in the raw file.
        positive_raw: The positive outcome in the raw file: a value, a list of values, or a
            comparison such as `"<10"`.
        negative_raw: The negative outcome in the raw file, in the same form.
        positive: Name of the positive outcome.
        negative: Name of the negative outcome.
        rate: Fraction of positive rows.
        description: What it means.
        verb: What rows with the positive outcome do, as a verb that can follow "to", for
            sentences such as "about 1 in 9 students fail". By default they "have the outcome"
            `positive`.
        titles: Name of an outcome -> what people read for a row with this label. The default is
            "at risk" and "no sign", which the page translates: a row with the positive label may
            well have the negative outcome.
    """

    __pydantic_config__ = STRICT

    name: Identifier
    raw: Text
    positive_raw: RawOutcome
    negative_raw: RawOutcome
    positive: Text
    negative: Text
    rate: Annotated[Value, Field(gt=0, lt=1)]
    description: str
    verb: str = ""
    titles: dict[str, Text] = field(default_factory=dict, hash=False)

    @property
    def predicate(self) -> str:
        """What rows with the positive outcome do, for sentences: "about 1 in 9 rows ..."."""
        return self.verb or f"have the outcome “{self.positive}”"

    def get_title(self, is_positive: bool) -> str:
        """Return what people read for a row with the positive or the negative label."""
        if is_positive:
            return self.titles.get(self.positive, "at risk")
        return self.titles.get(self.negative, "no sign")

    @property
    def is_text(self) -> bool:
        """Whether the raw file has text in this column."""
        return is_text(self.positive_raw) or is_text(self.negative_raw)

    def is_positive(self, raw: Any) -> bool | None:
        """Whether a value of the raw file is the positive outcome; None if it is neither."""
        if matches(self.positive_raw, raw):
            return True
        return False if matches(self.negative_raw, raw) else None

    @property
    def example_raw(self) -> tuple[int | float | str, int | float | str]:
        """A raw value of the positive outcome, and one of the negative."""
        return get_example(self.positive_raw), get_example(self.negative_raw)

    @property
    def raw_options(self) -> tuple[str, ...]:
        """The values and comparisons of both outcomes."""
        both = (self.positive_raw, self.negative_raw)
        return tuple(str(option) for outcome in both for option in get_options(outcome))


@dataclass(frozen=True)
class SampleEffect:
    """An effect in generated samples: rows with `low` <= `feature` < `high` have higher log-odds.

    Attributes:
        feature: Name of the feature.
        low: Smallest value with the effect.
        high: Upper bound of the values with the effect, exclusive.
        weight: Added to the log-odds of the positive outcome.
    """

    __pydantic_config__ = STRICT

    feature: str
    low: Value
    high: Value
    weight: Value


@dataclass(frozen=True)
class Expectation:
    """An effect that a model must have learned.

    Attributes:
        feature: Name of the feature.
        safe: Value with the lower probability of the positive outcome, all else equal.
        risky: Value with the higher probability.
        why: Evidence for the effect.
    """

    __pydantic_config__ = STRICT

    feature: str
    safe: Value
    risky: Value
    why: str


@dataclass(frozen=True)
class CardFacts:
    """Facts for the model card that the data does not show, as sentences without a full stop.

    Attributes:
        purpose: What the predictions are for.
        out_of_scope: What they must not be used for.
        affected: Who is affected by a prediction, and how.
        source: Where the raw file comes from, and what is not known about it.
        license: License of the data.
    """

    __pydantic_config__ = STRICT

    purpose: str = ""
    out_of_scope: tuple[str, ...] = ()
    affected: str = ""
    source: str = ""
    license: str = ""


@dataclass(frozen=True)
class Columns:
    """A columns file.

    Attributes:
        features: The columns that the model learns from, in the order of its inputs.
        label: The column that the model predicts.
        title: What the model is about: the title of the page and of the API. The registered model
            is named after it. The default is the name of the label.
        subject: What one row is, such as `student`.
        subjects: What several rows are.
        probability_alias: Another name under which the API also returns the probability, for
            clients of earlier releases.
        audit_only: Columns that no model sees and the API does not accept. Reports compare the
            groups that they divide the rows into.
        key: The column that identifies the person or thing that a row is about.
        time: The column with the term or the day of a row.
        groups: Columns that divide the rows into groups, such as a class or a tutor.
        ignore: Headers of columns of the raw file that are not used and not stored.
        sample_effects: Effects in generated rows. Without any, the label of a generated row is
            random.
        expectations: Effects that a model must have learned before it is promoted.
        card: Facts for the model card.
        file_notes: SHA-256 of a raw file -> what is known about it, shown with every figure
            measured on it.
    """

    __pydantic_config__ = STRICT

    features: tuple[Annotated[Feature, Field(discriminator="kind")], ...]
    label: Label
    title: str = ""
    subject: Text = "row"
    subjects: Text = "rows"
    probability_alias: Identifier | None = None
    audit_only: tuple[Annotated[Feature, Field(discriminator="kind")], ...] = ()
    key: Key | None = None
    time: Time | None = None
    groups: tuple[Group, ...] = ()
    ignore: tuple[Text, ...] = ()
    sample_effects: tuple[SampleEffect, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    card: CardFacts = CardFacts()
    file_notes: dict[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], Text] = field(
        default_factory=dict
    )

    @property
    def roles(self) -> Roles:
        """The columns that are neither features nor the label."""
        return Roles(self.key, self.time, self.groups)
