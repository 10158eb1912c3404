"""The results by group and the differences between groups, for the model card."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.columns import LABEL
from pipeline.evaluation.group_differences import (
    FALSE_POSITIVE_RATE,
    INCONCLUSIVE,
    MAX_WIDTH,
    OTHERS,
    POWER,
    RECALL,
    SIMILAR,
    summarize_differences,
)
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Heading, Table, Text
from pipeline.storage.artifacts.evaluation import GroupDifference, GroupMetrics

DETECTABLE = "detectable"
"""Name of the column with the smallest difference that the rows can show."""


def describe_groups(result: EvaluationResult) -> list[Block]:
    """The results of each group, and which groups differ."""
    header = (
        "group",
        "rows",
        LABEL.positive,
        "recall",
        "false positive rate",
        "mean probability",
        f"rate of {LABEL.positive}",
    )
    return [
        Heading("Groups"),
        Text(f"Measured on {result.group_rows}. Each rate has its 95 % interval."),
        *([Text(result.group_note)] if result.group_note else []),
        Table(header, [_describe_group(group) for group in result.groups], numeric=range(1, 7)),
        *_describe_differences(result),
    ]


def _describe_group(group: GroupMetrics) -> tuple[str, ...]:
    return (
        group.name,
        f"{group.rows:,}",
        f"{group.positives:,}",
        str(group.recall or "no cases"),
        str(group.false_positive_rate or "no cases"),
        f"{group.mean_probability:.1%}",
        str(group.positive_rate),
    )


def _describe_differences(result: EvaluationResult) -> list[Block]:
    differences = result.group_differences
    if not differences:
        return []
    return [
        Heading("Differences between groups"),
        Text(f"{summarize_differences(differences)}."),
        Text(
            "Each group is compared with the other rows of its column. The intervals hold for all "
            "comparisons together with 95 % confidence (Bonferroni). If an interval contains 0 and "
            f"is wider than {MAX_WIDTH:g}, the result is `{INCONCLUSIVE}`: the groups may be equal "
            f"or very different. A narrower interval that contains 0 is `{SIMILAR}`. A difference "
            f"of the size in the column `{DETECTABLE}` is found with a probability of {POWER:.0%}; "
            "smaller ones are often missed."
        ),
        *(
            _tabulate_differences(rate, differences)
            for rate in (RECALL, FALSE_POSITIVE_RATE)
            if any(one.rate == rate for one in differences)
        ),
    ]


def _tabulate_differences(rate: str, differences: Sequence[GroupDifference]) -> Table:
    """The differences in one rate. The verdict comes first, because a phone shows two columns."""
    rows = [
        (_name(one), one.verdict, one.difference.signed, f"{one.detectable:.2f}")
        for one in differences
        if one.rate == rate
    ]
    return Table((f"{rate} of", "result", "difference", DETECTABLE), rows, numeric=(2, 3))


def _name(one: GroupDifference) -> str:
    return one.group if one.other == OTHERS else f"{one.group}, compared with {one.other}"
