"""The model card: surprising effects and calibration in words, figures, and the status."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from pipeline.card_status import Status, replace_status
from pipeline.columns import FEATURES, Category, Expectation, Number
from pipeline.evaluation.metric_titles import METRIC_TITLES
from pipeline.evaluation.model_card.calibration import describe_top, make_bins
from pipeline.evaluation.model_card.canvas import use_style
from pipeline.evaluation.model_card.effects import (
    EffectCurve,
    compute_effects,
    describe_surprises,
    find_moves,
)
from pipeline.evaluation.model_card.plots import feature_effects
from pipeline.model.metrics import METRICS
from pipeline.reporting.palette import DARK, LIGHT
from pipeline.types import FloatArray
from tests.support.helm import ROOT

HOURS = Number(
    name="review_hours",
    raw="Hours",
    low=0,
    high=24,
    typical=(1, 6),
    step=0.1,
    unit="hours per day",
    description="Time",
    example=2,
)
COURSE = Category(
    name="course",
    raw="Course",
    codes={"non_stem": 0, "stem": 1},
    frequencies=(0.5, 0.5),
    description="Course",
    example="stem",
)
LESS_IS_RISKY = Expectation("review_hours", safe=4, risky=1.5, why="less work, more failures")


def make_curve(feature: Number | Category, values: list[float], mean: list[float]) -> EffectCurve:
    """A curve whose rows are spread evenly over its values."""
    x, y = np.array(values), np.array(mean)
    return EffectCurve(feature, x, y, y, y, rows=np.repeat(x, 10))


class TestSurprises:
    """Sentences about effects that contradict known ones, or have no single direction."""

    def test_a_rise_against_the_known_fall(self) -> None:
        """The sentence has the range, both probabilities, the evidence, and how many rows."""
        curve = make_curve(HOURS, [1, 2, 3, 4, 5, 6], [0.08, 0.04, 0.03, 0.03, 0.03, 0.10])
        (sentence,) = describe_surprises(curve, [LESS_IS_RISKY])
        assert sentence.startswith(
            "`review_hours`: the mean probability rises from 3.0% at 5.0 hours per day to 10.0% at "
            "6.0 hours per day. The known effect has the opposite direction: less work, more "
            "failures. Of the test rows, 17% are in this range."
        )

    def test_the_known_direction_is_no_surprise(self) -> None:
        """A curve that falls as expected, with a small bump, needs no sentence."""
        curve = make_curve(HOURS, [1, 2, 3, 4], [0.10, 0.03, 0.035, 0.02])
        assert describe_surprises(curve, [LESS_IS_RISKY]) == []

    def test_two_directions_without_a_known_effect(self) -> None:
        """The sentence describes every rise and fall."""
        curve = make_curve(HOURS, [1, 2, 3], [0.08, 0.02, 0.08])
        assert describe_surprises(curve, []) == [
            "`review_hours`: the mean probability has no single direction. It falls from 8.0% at "
            "1.0 hours per day to 2.0% at 2.0 hours per day, then rises from 2.0% at 2.0 hours "
            "per day to 8.0% at 3.0 hours per day."
        ]

    def test_a_category_with_the_opposite_effect(self) -> None:
        """Both categories are named with their probabilities."""
        curve = make_curve(COURSE, [0, 1], [0.08, 0.02])
        assert describe_surprises(curve, [Expectation("course", 0, 1, "known")]) == [
            "`course`: the mean probability is 2.0% for `stem` and 8.0% for `non_stem`. The known "
            "effect has the opposite direction: known."
        ]
        assert describe_surprises(curve, [Expectation("course", 1, 0, "known")]) == []

    @pytest.mark.parametrize(
        ("values", "moves"),
        [
            ([1, 1, 1], []),
            ([0, 1, 2, 3], [(0, 3)]),
            ([3, 1, 1, 3], [(0, 1), (1, 3)]),
            ([0, 2, 1.5, 3, 0], [(0, 3), (3, 4)]),
            ([1, 1.5, 1], []),
        ],
    )
    def test_moves(self, values: list[float], moves: list[tuple[int, int]]) -> None:
        """Changes smaller than the minimum end no rise or fall."""
        assert find_moves(np.array(values, float), 1.0) == moves


class TestFigures:
    """Figures are SVG that follows the reader's mode."""

    @pytest.fixture
    def svg(self) -> str:
        """The effects of a model in which only the last feature matters."""

        def score(rows: FloatArray) -> FloatArray:
            return rows[:, -1] / 10

        rows = np.array([[30, 0, 5, 0, 1.0], [40, 1, 6, 1, 3.0]])
        with use_style():
            return feature_effects(compute_effects(score, rows), 0.1).decode()

    def test_colors_follow_the_mode(self, svg: str) -> None:
        """Every color is a variable of the palette, with a value for both modes."""
        root = ET.fromstring(svg)
        (style,) = (element for element in root if element.tag.endswith("style"))
        assert style.text is not None
        light, dark = style.text.split("@media (prefers-color-scheme: dark)")
        assert all(f"--{role}: {color};" in light for role, color in LIGHT.items())
        assert all(f"--{role}: {color};" in dark for role, color in DARK.items())
        drawn = svg.replace(style.text, "")
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()
        assert {"var(--accent)", "var(--ink)", "var(--card)"} <= set(
            re.findall(r"var\(--\w+\)", drawn)
        )

    def test_effects_share_one_axis(self, svg: str) -> None:
        """The y axes of all panels have the same ticks, so that heights can be compared."""
        ticks = [
            re.findall(r">(\d\.\d+)</text>", part)
            for part in re.split(r'<g id="axes_\d+">', svg)[1:]
        ]
        y_ticks = [[tick for tick in panel if float(tick) < 1] for panel in ticks]
        assert len(y_ticks) == len(FEATURES)
        assert len({tuple(panel) for panel in y_ticks}) == 1


class TestCalibration:
    """How the highest probabilities compare with what happened."""

    def test_probabilities_that_are_too_high(self) -> None:
        """The sentence has the prediction, the outcome with its interval, and a verdict."""
        labels = np.zeros(1000, int)
        labels[-10:] = 1
        probability = np.linspace(0, 0.5, 1000)
        assert describe_top("test rows", labels, probability) == (
            "Of the 100 test rows with the highest probabilities, 48% were predicted to be `fail` "
            "and 10% were (10 students; 95 % interval 6% to 17%). The highest probabilities are "
            "too high."
        )

    def test_a_difference_within_chance(self) -> None:
        """Few rows cannot show that probabilities are wrong."""
        labels = np.array([0] * 95 + [1] * 5)
        sentence = describe_top("test rows", labels, np.linspace(0, 0.6, 100))
        assert sentence.endswith("The difference is within chance.")

    def test_bins(self) -> None:
        """Bins have about the same number of rows, in the order of the probability."""
        bins = make_bins(np.array([0, 0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
        assert [bin.rows for bin in bins] == [2, 1, 1, 1, 1]
        assert [bin.observed for bin in bins] == [0, 0, 0, 1, 1]


def test_every_metric_has_a_title() -> None:
    """Reports explain each metric that they show."""
    assert set(METRICS) <= set(METRIC_TITLES)


def test_the_page_names_metrics_as_reports_do() -> None:
    """Its English words have the same titles and meanings, and no other metric."""
    words = (ROOT / "serving" / "page" / "words" / "en.js").read_text()
    found = dict(re.findall(r'^  "metric\.(\w+(?:\.meaning)?)": "(.*)",$', words, re.MULTILINE))
    del found["range"]
    expected = {name: title for name, (title, _) in METRIC_TITLES.items()}
    expected |= {f"{name}.meaning": meaning for name, (_, meaning) in METRIC_TITLES.items()}
    assert found == expected


class TestStatus:
    """The part of a card that later stages replace."""

    def test_replaced_in_both_formats(self) -> None:
        """Only the part between the markers changes, as often as it is replaced."""
        for kind in ("html", "markdown"):
            first, second = (
                getattr(Status(f"state {n}", True, ["a `b` \\1"]), f"to_{kind}")() for n in (1, 2)
            )
            card = f"before\n{first}\nafter"
            assert replace_status(card, second) == f"before\n{second}\nafter"

    def test_html_is_escaped(self) -> None:
        """A reason of a person is text, never markup."""
        text = Status("a <b>", False, ["`x` & y"]).to_html()
        assert '<blockquote class="bad">a &lt;b&gt;</blockquote>' in text
        assert "<li><code>x</code> &amp; y</li>" in text

    def test_an_older_card_stays_as_it_is(self) -> None:
        """A card without the markers has no place for a status."""
        assert replace_status("# Card", Status("x").to_markdown()) == "# Card"
