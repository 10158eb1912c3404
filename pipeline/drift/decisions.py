"""Decide which results are drift, with one false positive rate for all of them together.

Each decision has a weight: three quarters of the false positive rate go to the features, an eighth
to the predictions and an eighth to the joint distribution.

Reference: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.drift.columns import Column
from pipeline.drift.report import ColumnDrift, JointDrift

JOINT = "joint"
"""Name of the decision on the joint distribution."""
FEATURES_WEIGHT, PREDICTION_WEIGHT, JOINT_WEIGHT = 6.0, 1.0, 1.0


def get_weights(columns: Sequence[Column]) -> dict[str, float]:
    """Return the weight of each decision: the deciding columns, and the joint distribution."""
    features = sum(column.role == "feature" for column in columns)
    weights = {"feature": FEATURES_WEIGHT / max(features, 1), "prediction": PREDICTION_WEIGHT}
    return {
        **{column.name: weights[column.role] for column in columns if column.decides},
        JOINT: JOINT_WEIGHT,
    }


def adjust_p_values(
    p_values: Mapping[str, float], weights: Mapping[str, float]
) -> dict[str, float]:
    """Adjust p-values for the number of tests by Holm's weighted procedure.

    Args:
        p_values: The p-value of each test.
        weights: The weight of each test, at least for those in `p_values`.

    Returns:
        The adjusted p-values. If those below a bound are rejected, the probability of rejecting
        any true null hypothesis is at most the bound, however the tests depend on each other.
    """
    adjusted: dict[str, float] = {}
    remaining = sum(weights[name] for name in p_values)
    largest = 0.0
    for name in sorted(p_values, key=lambda name: p_values[name] / weights[name]):
        largest = max(largest, min(p_values[name] / weights[name] * remaining, 1.0))
        adjusted[name] = largest
        remaining -= weights[name]
    return adjusted


def decide(
    columns: Mapping[str, ColumnDrift],
    joint: JointDrift,
    weights: Mapping[str, float],
    own_thresholds: Mapping[str, float],
    max_false_positive_rate: float,
) -> tuple[dict[str, ColumnDrift], JointDrift]:
    """Adjust the p-values and set the verdicts of all tests that decide.

    Args:
        columns: Results of the columns.
        joint: Result of the joint distribution.
        weights: See `get_weights`.
        own_thresholds: Columns whose threshold the settings name; they keep their verdict.
        max_false_positive_rate: Largest probability that a test finds drift where there is none.

    Returns:
        Both, with verdicts. Distances, and columns that do not decide, keep theirs.
    """
    p_values = {
        name: column.score
        for name, column in columns.items()
        if column.statistic == "p-value" and name in weights and name not in own_thresholds
    }
    adjusted = adjust_p_values(p_values | {JOINT: joint.score}, weights)
    decided = {
        name: column.model_copy(
            update={
                "adjusted": adjusted[name],
                "drifted": adjusted[name] < max_false_positive_rate
                and column.effect >= column.min_effect,
            }
        )
        if name in p_values
        else column
        for name, column in columns.items()
    }
    return decided, joint.model_copy(
        update={
            "adjusted": adjusted[JOINT],
            "drifted": adjusted[JOINT] < max_false_positive_rate
            and joint.effect >= joint.min_effect,
        }
    )
