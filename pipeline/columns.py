"""The columns of the survey. No other file knows the data set.

Validation, drift detection, the model's input, the API, its page and the documentation are derived
from this file. To use another data set, edit only this file (docs/how-to/bring-your-own-data.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

MAX_NAME_LENGTH = 1_000
"""Characters of a name that are read; a request may hold longer ones."""


def normalize_name(name: str) -> str:
    """Return a name in lower case, with a space for spaces, hyphens and underscores."""
    name = name[:MAX_NAME_LENGTH].replace("\u2019", "'")
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


@dataclass(frozen=True)
class Number:
    """A numeric feature.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
        low: Smallest accepted value.
        high: Largest accepted value.
        typical: Smallest and largest value in the survey: the range of generated values, of the
            page's sliders and of the bins that models cut the values into.
        step: Resolution of the values.
        unit: Unit of the values.
        description: What it measures.
        example: Value in the API's documentation.
        group_edges: Values at which the rows are divided into groups, which reports and gates
            compare; none for no groups.
        sensitive: Why the model is given this sensitive column; empty if it is not sensitive. The
            model card shows the reason, and what leaving the column out would cost.
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
    group_edges: tuple[float, ...] = ()
    sensitive: str = ""

    @property
    def is_integer(self) -> bool:
        """Whether all values are whole numbers."""
        return float(self.step).is_integer()


@dataclass(frozen=True)
class Category:
    """A categorical feature.

    Attributes:
        name: Its name everywhere but in the raw file.
        raw: Its header in the raw file.
        codes: Name of each category -> its code in the raw file, which the lake stores too.
        frequencies: Fraction of the rows in each category, in the order of `codes`: the sample
            generator's weights.
        description: What it means.
        example: Category in the API's documentation.
        titles: Name of a category -> its title on the page, where the name itself reads badly.
        sensitive: Why the model is given this sensitive column; empty if it is not sensitive. The
            model card shows the reason, and what leaving the column out would cost.
    """

    name: str
    raw: str
    codes: dict[str, float] = field(hash=False)
    frequencies: tuple[float, ...]
    description: str
    example: str
    titles: dict[str, str] = field(default_factory=dict, hash=False)
    sensitive: str = ""

    def __post_init__(self) -> None:
        if len({normalize_name(name) for name in self.codes}) < len(self.codes):
            raise ValueError(
                f"two categories of {self.name} have the same name apart from case, spaces, "
                f"hyphens and underscores: {', '.join(self.codes)}; rename one of them"
            )

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
    def names(self) -> dict[float, str]:
        """Code of each category -> its name."""
        return {code: name for name, code in self.codes.items()}

    @property
    def is_integer(self) -> bool:
        """Whether all codes are whole numbers."""
        return all(float(code).is_integer() for code in self.codes.values())


@dataclass(frozen=True)
class Label:
    """The outcome that the model predicts.

    The rare outcome is the positive one, so that recall measures how many of the rows that matter
    are found.

    Attributes:
        name: Its name from silver on, where it is 1 for the positive outcome and 0 otherwise.
        raw: Its header in the raw file.
        positive_raw: The positive outcome in the raw file.
        negative_raw: The negative outcome in the raw file.
        positive: Name of the positive outcome.
        negative: Name of the negative outcome.
        rate: Fraction of positive rows.
        description: What it means.
        verb: What those with the positive outcome do, for sentences of the page: "about 1 in 9
            students fail". Without it, they "have the outcome" `positive`.
    """

    name: str
    raw: str
    positive_raw: int
    negative_raw: int
    positive: str
    negative: str
    rate: float
    description: str
    verb: str = ""


@dataclass(frozen=True)
class SampleEffect:
    """An effect in generated samples: rows with `low` <= `feature` < `high` have higher log-odds.

    Attributes:
        feature: Name of the feature.
        low: Smallest value with the effect.
        high: Upper bound of the values with the effect, exclusive.
        weight: Added to the log-odds of the positive outcome.
    """

    feature: str
    low: float
    high: float
    weight: float


@dataclass(frozen=True)
class Expectation:
    """An effect that a model must have learned.

    Attributes:
        feature: Name of the feature.
        safe: Value with the lower probability of the positive outcome, all else equal.
        risky: Value with the higher probability.
        why: Evidence for the effect.
    """

    feature: str
    safe: float
    risky: float
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

    purpose: str = ""
    out_of_scope: tuple[str, ...] = ()
    affected: str = ""
    source: str = ""
    license: str = ""


Feature = Number | Category

SUBJECT, SUBJECTS = "student", "students"
"""What one row of the survey is, and several rows are."""

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
        group_edges=(30, 40, 50),
    ),
    Category(
        name="course",
        raw="Course (STEM=1, Non-STEM=0)",
        codes={"non_stem": 0, "stem": 1},
        frequencies=(0.154, 0.846),
        description="Field of study",
        example="stem",
        titles={"stem": "STEM", "non_stem": "Non-STEM"},
        sensitive="the survey asks for it, and students of some courses may fail more often",
    ),
    Number(
        name="sleep_hours",
        raw="Hours of Sleep",
        low=0,
        high=24,
        typical=(3, 8),
        step=0.1,
        unit="hours per day",
        description="Time asleep",
        example=6.8,
    ),
    Category(
        name="relationship",
        raw="In a Relationship (1=Yes, 0=No, 0.5=It's complicated)",
        codes={"no": 0, "complicated": 0.5, "yes": 1},
        frequencies=(0.378, 0.211, 0.411),
        description="Whether the student is in a relationship",
        example="no",
        titles={"complicated": "It's complicated"},
        sensitive="the survey asks for it, and a change in private life may cost time to study",
    ),
    Number(
        name="review_hours",
        raw="Hours Reviewing",
        low=0,
        high=24,
        typical=(1, 6),
        step=0.1,
        unit="hours per day",
        description="Time spent reviewing",
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
    verb="fail",
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
        why="in the survey, students who sleep more than 6 hours fail four times as often",
    ),
    Expectation(
        "review_hours",
        safe=4,
        risky=1.5,
        why="in the survey, students who review less than 2 hours fail three times as often",
    ),
)

CARD = CardFacts(
    purpose="Advisers offer help early to students who are at risk of failing",
    out_of_scope=(
        "Admission, grades, scholarships and discipline",
        "Comparing courses, teachers or schools",
    ),
    affected="Students: one who is flagged is approached by an adviser, and may be labelled by it; "
    "one who is missed is not offered help. Advisers: their time is spent on those who are flagged",
    source="A survey file that was published on Google Drive. Who collected it, when, where, and "
    "whether the students agreed to this use is not known",
    license="Not stated by its publisher",
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
SENSITIVE: tuple[str, ...] = tuple(feature.name for feature in FEATURES if feature.sensitive)
"""Names of the sensitive features."""
RAW_HEADER: tuple[str, ...] = (*(feature.raw for feature in FEATURES), LABEL.raw)

FILE_NOTES: dict[str, str] = {
    "f5df411d628b704e6eab0ecfa6a62f24ff44e2ec778686c3214851536963a818": (
        "This file is generated, and its label depends on the row's place: all 50 fails are in "
        "rows 910 to 999, where every student fails who sleeps more than 6 hours or reviews less "
        "than 2, and nobody else. No model can rank better than a ROC AUC of 0.7605 on new rows "
        "that are like the file as a whole; what is measured above that is chance"
    ),
}
"""SHA-256 of a raw file -> what is known about it, shown with every figure measured on it."""
