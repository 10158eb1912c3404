"""Differences between groups in recall and false positive rate."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from pipeline.evaluation.group_differences import (
    FALSE_POSITIVE_RATE,
    HIGHER,
    INCONCLUSIVE,
    LOWER,
    MAX_WIDTH,
    POWER,
    RECALL,
    SIMILAR,
    compare_groups,
    get_detectable_difference,
    judge_difference,
    summarize_differences,
)
from pipeline.evaluation.groups import GroupRows
from pipeline.model.intervals import rate_difference, rate_interval
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.evaluation import GroupDifference
from pipeline.types import BoolArray
from tests.support.helm import ROOT


def make_rows(counts: dict[str, tuple[int, int, int, int]]) -> GroupRows:
    """Rows from counts per group: positives, flagged positives, negatives, flagged negatives."""
    names: list[str] = []
    labels: list[int] = []
    predicted: list[int] = []
    for name, (positives, hits, negatives, false) in counts.items():
        names += [name] * (positives + negatives)
        labels += [1] * positives + [0] * negatives
        predicted += [1] * hits + [0] * (positives - hits)
        predicted += [1] * false + [0] * (negatives - false)
    return GroupRows(
        groups={name: np.array(names) == name for name in counts},
        labels=np.array(labels),
        predicted_positive=np.array(predicted, dtype=float),
        probability=np.array(predicted, dtype=float),
        source="test",
    )


def find(differences: list[GroupDifference], rate: str, group: str) -> GroupDifference:
    (found,) = [one for one in differences if (one.rate, one.group) == (rate, group)]
    return found


def test_two_groups_are_compared_once() -> None:
    """Newcombe's example: 56 of 70 and 48 of 80; with two comparisons, 97.5 % each."""
    rows = make_rows({"course stem": (70, 56, 100, 30), "course non_stem": (80, 48, 100, 30)})
    differences = compare_groups(rows)
    assert [(one.rate, one.group, one.other) for one in differences] == [
        (RECALL, "course stem", "course non_stem"),
        (FALSE_POSITIVE_RATE, "course stem", "course non_stem"),
    ]
    recall = differences[0].difference
    assert recall.value == pytest.approx(0.2)
    z = NormalDist().inv_cdf(1 - 0.05 / 4)
    low, high = newcombe(56, 70, 48, 80, z)
    assert (recall.low, recall.high) == pytest.approx((low, high))
    # Newcombe (1998), table II (a), method 10, at 95 %.
    assert newcombe(56, 70, 48, 80, 1.959964) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def newcombe(a: int, m: int, b: int, n: int, z: float) -> tuple[float, float]:
    """The interval by the roots of the quadratic of the score test, as the article states it."""

    def roots(successes: int, trials: int) -> tuple[float, float]:
        rate = successes / trials
        quadratic = (trials + z * z, -(2 * trials * rate + z * z), trials * rate * rate)
        low, high = sorted(np.roots(quadratic))
        return float(low), float(high)

    (l1, u1), (l2, u2) = roots(a, m), roots(b, n)
    p1, p2 = a / m, b / n
    below, above = np.hypot(p1 - l1, u2 - p2), np.hypot(u1 - p1, p2 - l2)
    return p1 - p2 - below, p1 - p2 + above


def test_more_groups_are_compared_with_the_others() -> None:
    """Each of three groups has one comparison per rate, with the rows of the other two."""
    rows = make_rows(
        {
            "relationship no": (400, 360, 2000, 200),
            "relationship complicated": (400, 200, 2000, 200),
            "relationship yes": (400, 360, 2000, 200),
        }
    )
    differences = compare_groups(rows)
    assert len(differences) == 6
    assert {one.other for one in differences} == {"the others"}
    lowest = find(differences, RECALL, "relationship complicated")
    assert lowest.difference.value == pytest.approx(0.5 - 0.9)
    assert lowest.verdict == LOWER
    assert find(differences, RECALL, "relationship no").verdict == HIGHER
    assert find(differences, FALSE_POSITIVE_RATE, "relationship no").verdict == SIMILAR


def test_few_cases_tell_nothing() -> None:
    """A recall of 3 of 5 and one of 8 of 10 may be equal or very different."""
    rows = make_rows({"course stem": (10, 8, 900, 90), "course non_stem": (5, 3, 900, 90)})
    differences = compare_groups(rows)
    assert [one.verdict for one in differences] == [INCONCLUSIVE, SIMILAR]


def test_a_group_without_cases_has_no_recall() -> None:
    """It is compared by its false positive rate only; no group leaves nothing to compare."""
    rows = make_rows({"course stem": (10, 8, 50, 9), "course non_stem": (0, 0, 50, 9)})
    assert [one.rate for one in compare_groups(rows)] == [FALSE_POSITIVE_RATE]
    assert compare_groups(make_rows({"course stem": (10, 8, 50, 9)})) == []


@pytest.mark.parametrize(("first", "second", "rate"), [(300, 500, 0.3), (60, 400, 0.5)])
def test_a_detectable_difference_is_found_in_four_of_five_cases(
    first: int, second: int, rate: float
) -> None:
    """The stated power is that of the intervals, simulated with 14 comparisons."""
    z = NormalDist().inv_cdf(1 - 0.05 / 2 / 14)
    random = np.random.default_rng(1)
    difference = get_detectable_difference(rate * (first + second), first, second, z)
    lower = rate - difference * first / (first + second)
    found = 0
    for _ in range(1000):
        one = random.binomial(first, lower + difference)
        other = random.binomial(second, lower)
        interval = rate_difference(rate_interval(one, first, z), rate_interval(other, second, z))
        found += interval.low > 0
    assert found / 1000 == pytest.approx(POWER, abs=0.06)


def test_few_rows_detect_nothing() -> None:
    """Two cases against three cannot show any difference, even if all were found."""
    z = NormalDist().inv_cdf(1 - 0.05 / 2 / 14)
    assert get_detectable_difference(5, 2, 3, z) == 1


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.9, HIGHER),
        (-0.9, -0.01, LOWER),
        (-0.1, 0.1, SIMILAR),
        (-0.1, 0.11, INCONCLUSIVE),
        (0.0, 0.3, INCONCLUSIVE),
    ],
)
def test_verdicts(low: float, high: float, verdict: str) -> None:
    """An interval that contains 0 tells something only if it is narrow."""
    assert judge_difference(Interval(value=0, low=low, high=high)) == verdict


def test_the_guide_states_the_verdicts() -> None:
    """It has the name of each, and the width of an interval that tells nothing."""
    guide = (ROOT / "docs" / "how-to" / "read-the-model-card.md").read_text()
    assert not [one for one in (HIGHER, LOWER, SIMILAR, INCONCLUSIVE) if f"`{one}`" not in guide]
    assert f"at most {MAX_WIDTH:g} wide" in guide


def test_equal_groups_are_seldom_found_different() -> None:
    """About 5 % of 1,000 data sets with 8 equal groups show any difference, not 5 % of each."""
    random = np.random.default_rng(2)
    names = ["relationship no", "relationship complicated", "relationship yes"]
    names += ["course stem", "course non_stem", "age under 30", "age from 30", "age from 40"]
    columns = ("relationship", "course", "age")
    alarms = 0
    for _ in range(1000):
        labels = (random.random(600) < 0.1).astype(int)
        groups: dict[str, BoolArray] = {}
        for column in columns:
            own = [name for name in names if name.startswith(column)]
            drawn = random.integers(0, len(own), 600)
            groups |= {name: drawn == index for index, name in enumerate(own)}
        predicted = (random.random(600) < np.where(labels == 1, 0.7, 0.3)).astype(float)
        rows = GroupRows(groups, labels, predicted, predicted, "test")
        alarms += any(one.verdict in (HIGHER, LOWER) for one in compare_groups(rows))
    assert alarms <= 70


def test_the_summary_names_the_differences() -> None:
    """It counts the comparisons that show nothing, and states those that differ."""
    rows = make_rows({"course stem": (10, 8, 900, 90), "course non_stem": (5, 3, 900, 400)})
    assert summarize_differences(compare_groups(rows)) == (
        "1 of 2 comparisons between groups came out inconclusive: too wide an interval. These "
        "differ: the false positive rate of 'course stem' is lower (-0.344 (-0.387 to -0.300) "
        "compared with course non_stem)"
    )
    equal = make_rows({"course stem": (10, 8, 900, 90), "course non_stem": (10, 8, 900, 90)})
    assert summarize_differences(compare_groups(equal)).endswith(
        "interval. None is shown to differ"
    )
