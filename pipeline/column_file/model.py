"""The label, and all contents of a columns file.

The "Attributes" below are also the descriptions that editors show (docs/columns_schema.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from pipeline.column_file.kinds import Feature, Value
from pipeline.column_file.outcome import (
    Outcome,
    check_outcome,
    get_example,
    get_options,
    is_text,
    matches,
)
from pipeline.column_file.roles import STRICT, Group, Identifier, Key, Roles, Text, Time

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
