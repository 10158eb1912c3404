"""The survey's columns: the one place that knows the data set.

Validation, drift detection, the model's input, the API, its page and the documents derive from this table.
To put another data set in, edit this file alone (docs/how-to/bring-your-own-data.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Number:
    """A numeric feature.

    `low` and `high` (inclusive) bound what is accepted; `typical` is the range that the survey covers, which the
    sample generator draws from and the page's sliders span; `step` is the resolution values are recorded with; `bands`
    are the values that divide the rows into the groups that reports and gates compare, if any.
    """

    name: str
    raw: str
    low: float
    high: float
    typical: tuple[float, float]
    step: float
    unit: str
    description: str
    example: float
    bands: tuple[float, ...] = ()

    @property
    def is_integer(self) -> bool:
        return float(self.step).is_integer()


@dataclass(frozen=True)
class Category:
    """A categorical feature: `codes` maps a category's name to the survey's code, which the data layers store too.

    `shares` are the categories' frequencies in the survey, in the order of `codes`: the sample generator's weights.
    `titles` says how people read a name, where its letters alone do not.
    """

    name: str
    raw: str
    codes: dict[str, float] = field(hash=False)
    shares: tuple[float, ...]
    description: str
    example: str
    titles: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def names(self) -> dict[float, str]:
        return {code: name for name, code in self.codes.items()}

    @property
    def is_integer(self) -> bool:
        return all(float(code).is_integer() for code in self.codes.values())


@dataclass(frozen=True)
class Label:
    """The outcome: from silver on, `name` is 1 where the raw value is `positive_raw` and 0 where it is `negative_raw`.

    The rare outcome is the positive one, so that recall is recall of what the model is for. `rate` is its share.
    """

    name: str
    raw: str
    positive_raw: int
    negative_raw: int
    positive: str
    negative: str
    rate: float
    description: str


@dataclass(frozen=True)
class SampleEffect:
    """In generated samples, a row whose `feature` lies in [low, high) has `weight` added to its log-odds of the label."""

    feature: str
    low: float
    high: float
    weight: float


@dataclass(frozen=True)
class Expectation:
    """What a model must have learned of `feature`: all else equal, the value `risky` makes the label likelier than `safe`."""

    feature: str
    safe: float
    risky: float
    why: str


Feature = Number | Category

SUBJECT, SUBJECTS = "student", "students"
"""What a row of the survey is: one, and several."""

FEATURES: tuple[Feature, ...] = (
    Number(
        name="age",
        raw="Age",
        low=15,
        high=100,
        typical=(24, 54),
        step=1,
        unit="years",
        description="Age of the student",
        example=31,
        bands=(30, 40, 50),
    ),
    Category(
        name="course",
        raw="Course (STEM=1, Non-STEM=0)",
        codes={"non_stem": 0, "stem": 1},
        shares=(0.154, 0.846),
        description="Field of study",
        example="stem",
        titles={"stem": "STEM", "non_stem": "Non-STEM"},
    ),
    Number(
        name="sleep_hours",
        raw="Hours of Sleep",
        low=0,
        high=24,
        typical=(3, 8),
        step=0.1,
        unit="hours per day",
        description="Sleep a day",
        example=6.8,
    ),
    Category(
        name="relationship",
        raw="In a Relationship (1=Yes, 0=No, 0.5=It's complicated)",
        codes={"no": 0, "complicated": 0.5, "yes": 1},
        shares=(0.378, 0.211, 0.411),
        description="Whether the student is in a relationship",
        example="no",
        titles={"complicated": "It's complicated"},
    ),
    Number(
        name="review_hours",
        raw="Hours Reviewing",
        low=0,
        high=24,
        typical=(1, 6),
        step=0.1,
        unit="hours per day",
        description="Reviewing a day",
        example=2.1,
    ),
)

LABEL = Label(
    name="fail",
    raw="Pass/Fail (1=Pass, 0=Fail)",
    positive_raw=0,
    negative_raw=1,
    positive="fail",
    negative="pass",
    rate=0.05,
    description="Whether the student failed",
)

SAMPLE_EFFECTS: tuple[SampleEffect, ...] = (
    SampleEffect("review_hours", 0, 2, 3.0),
    SampleEffect("sleep_hours", 6.05, 24, 3.0),
    SampleEffect("relationship", 1, 1.5, 0.4),
)

EXPECTATIONS: tuple[Expectation, ...] = (
    Expectation(
        "sleep_hours",
        safe=5,
        risky=7,
        why="who sleeps more than 6 hours fails four times as often in the survey",
    ),
    Expectation(
        "review_hours",
        safe=4,
        risky=1.5,
        why="who reviews less than 2 hours fails three times as often in the survey",
    ),
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
RAW_HEADER: tuple[str, ...] = (*(feature.raw for feature in FEATURES), LABEL.raw)
