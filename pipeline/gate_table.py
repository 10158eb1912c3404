"""The table of gates: each row is a bound that a model has to meet.

The settings `MLOPS_GATES__...` and docs/reference/gates.md are derived from this table, and
docs/how-to/add-a-gate.md describes how to add a row.

Only the standard library may be imported here, because every image reads its settings from this
table. Rows name their measuring functions, which are in pipeline/evaluation/measurements.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

RATE_DISTANCE = 0.1
"""Distance of a good or bad model from the bound of a metric; see evaluation/power.py."""
DIFFERENCE_DISTANCE = 0.05
"""Distance of a good or bad model from the champion."""


class Statistic(StrEnum):
    """The number of a measurement that is compared with the bound."""

    VALUE = "value"
    """The measurement is exact, or has no interval."""
    POINT = "point estimate"
    LOWER = "lower end of the 95 % interval"
    UPPER = "upper end of the 95 % interval"


@dataclass(frozen=True)
class Gate:
    """A row of the table.

    Attributes:
        name: Name in reports. `MLOPS_GATES__` and the name in capitals is the setting that changes
            the bound.
        title: What it judges, for people.
        direction: Whether the bound is the smallest (`min`) or the largest (`max`) number that
            passes. The name begins with it.
        bound: Default bound.
        reason: What the number is, and why a model has to meet the bound.
        measure: Name of the function in pipeline/evaluation/measurements.py that measures it.
        stages: The stages that judge the gate, each with the number that it compares.
        against_champion: Whether the number compares the candidate with the champion. If there is
            no champion, there is nothing to judge and the gate passes.
    """

    name: str
    title: str
    direction: Literal["min", "max"]
    bound: float
    reason: str
    measure: str
    stages: Mapping[str, Statistic]
    against_champion: bool = False

    def __post_init__(self) -> None:
        if not self.name.startswith(f"{self.direction}_"):
            raise ValueError(f"the name of the gate {self.name} must begin with {self.direction}_")

    def passes(self, value: float, bound: float) -> bool:
        """Whether a number meets a bound."""
        return value >= bound if self.direction == "min" else value <= bound


GATES: tuple[Gate, ...] = (
    Gate(
        name="min_roc_auc",
        title="Ranking (ROC AUC)",
        direction="min",
        bound=0.65,
        reason="A lower ROC AUC is little better than a random ranking.",
        measure="roc_auc",
        stages={
            "evaluate": Statistic.POINT,
            "validate": Statistic.POINT,
            "demote": Statistic.UPPER,
        },
    ),
    Gate(
        name="min_recall",
        title="Cases found (recall)",
        direction="min",
        bound=0.6,
        reason="A model that misses more positive rows is of no use.",
        measure="recall",
        stages={
            "evaluate": Statistic.POINT,
            "validate": Statistic.POINT,
            "demote": Statistic.UPPER,
        },
    ),
    Gate(
        name="min_balanced_accuracy",
        title="Balanced accuracy",
        direction="min",
        bound=0.6,
        reason="Prevents a model from reaching its recall by predicting most rows positive.",
        measure="balanced_accuracy",
        stages={
            "evaluate": Statistic.POINT,
            "validate": Statistic.POINT,
            "demote": Statistic.UPPER,
        },
    ),
    Gate(
        name="min_roc_auc_lower",
        title="Ranking better than chance",
        direction="min",
        bound=0.5,
        reason="The test set must rule out a random ranking.",
        measure="roc_auc",
        stages={"evaluate": Statistic.LOWER, "validate": Statistic.LOWER},
    ),
    Gate(
        name="max_order_auc",
        title="Label independent of the row order",
        direction="max",
        bound=1,
        reason="ROC AUC of the row number in the raw file. Near 0.5 if the order is random; if the "
        "label depends on it, no figure holds for new rows. At 1 the data check only warns.",
        measure="order_auc",
        stages={"evaluate": Statistic.VALUE},
    ),
    Gate(
        name="max_onnx_difference",
        title="Served file equals the trained model",
        direction="max",
        bound=1e-5,
        reason="Largest difference in probability between the ONNX model and the trained model, "
        "over the stored examples and the rows that `train` compared.",
        measure="onnx_difference",
        stages={"evaluate": Statistic.VALUE, "validate": Statistic.VALUE},
    ),
    Gate(
        name="min_gain_evidence",
        title="Evidence of a better ranking",
        direction="min",
        bound=20,
        reason="E-value over all runs against the hypothesis that models of this recipe rank no "
        "better than the champion. At 20, at most one in 20 years promotes such a model. If the "
        "recipe is the champion's own, trained on newer data, the hypothesis is that they are "
        "worse by the margin.",
        measure="gain_evidence",
        stages={"validate": Statistic.VALUE},
        against_champion=True,
    ),
    Gate(
        name="min_roc_auc_difference_upper",
        title="Ranking against the champion",
        direction="min",
        bound=0,
        reason="ROC AUC minus the champion's on the same rows. Below zero, this candidate ranks "
        "them significantly worse, regardless of what earlier runs showed.",
        measure="roc_auc_difference",
        stages={"validate": Statistic.UPPER},
        against_champion=True,
    ),
    Gate(
        name="min_recall_difference_upper",
        title="Recall against the champion",
        direction="min",
        bound=0,
        reason="Recall minus the champion's on the same rows. Below zero, the candidate misses "
        "significantly more positive rows.",
        measure="recall_difference",
        stages={"validate": Statistic.UPPER},
        against_champion=True,
    ),
    Gate(
        name="min_balanced_accuracy_difference_upper",
        title="Balanced accuracy against the champion",
        direction="min",
        bound=0,
        reason="Balanced accuracy minus the champion's on the same rows. Below zero, the "
        "candidate's predictions are significantly worse, even if its ranking is better.",
        measure="balanced_accuracy_difference",
        stages={"validate": Statistic.UPPER},
        against_champion=True,
    ),
    Gate(
        name="max_calibration_error",
        title="Calibration error",
        direction="max",
        bound=0.2,
        reason="Mean difference between the predicted probabilities and the recalibrated ones, "
        "divided by the rate of the rarer class. Its lower end is 0 unless the rows contradict the "
        "probabilities: people read them as a risk.",
        measure="calibration_error",
        stages={"validate": Statistic.LOWER},
    ),
    Gate(
        name="min_expected_effect",
        title="Known effects",
        direction="min",
        bound=0.01,
        reason="Smallest mean rise in probability over the known effects in the data dictionary: "
        "the model must have learned them in the right direction.",
        measure="expected_effect",
        stages={"validate": Statistic.POINT},
    ),
    Gate(
        name="max_rounding_flip_rate",
        title="Labels that change with rounding",
        direction="max",
        bound=0.1,
        reason="Fraction of rows whose label changes when a number changes by less than its "
        "resolution: a label must not depend on rounding.",
        measure="rounding_flip_rate",
        stages={"validate": Statistic.POINT},
    ),
    Gate(
        name="min_group_recall_upper",
        title="Recall in the weakest group",
        direction="min",
        bound=0.5,
        reason="Recall in the group where it is lowest. Below the bound, the model serves that "
        "group significantly worse than required.",
        measure="group_recall",
        stages={"validate": Statistic.UPPER},
    ),
    Gate(
        name="max_group_false_positive_rate_gap",
        title="False positives in the most flagged group",
        direction="max",
        bound=0.3,
        reason="False positive rate of a group minus that of all rows, in the group where it is "
        "highest: a model must not flag most of a group by mistake.",
        measure="group_false_positive_rate_gap",
        stages={"validate": Statistic.LOWER},
    ),
    Gate(
        name="max_latency_ms",
        title="Time per prediction",
        direction="max",
        bound=5,
        reason="Median time in milliseconds to score one row, without the HTTP request: it is part "
        "of every response time.",
        measure="latency_ms",
        stages={"validate": Statistic.POINT},
    ),
    Gate(
        name="max_model_size_mib",
        title="Size of the model",
        direction="max",
        bound=32,
        reason="Size of the ONNX file in MiB: each pod loads it, and its memory limit is a few "
        "times this.",
        measure="model_size_mib",
        stages={"validate": Statistic.VALUE},
    ),
    Gate(
        name="min_signature_match",
        title="Inputs of the model",
        direction="min",
        bound=1,
        reason="1 if the model's inputs are the API's features in their order, otherwise 0.",
        measure="signature_match",
        stages={"validate": Statistic.VALUE},
    ),
    Gate(
        name="min_shadow_agreement_difference_upper",
        title="Agreement with the champion on live rows",
        direction="min",
        bound=0,
        reason="Fraction of live rows that get the same label from the candidate and the champion, "
        "minus that of the two honest refits that differ the most. Below zero, the models differ "
        "more than the choice of training rows explains: a person must review it.",
        measure="shadow_agreement_difference",
        stages={"validate": Statistic.UPPER},
        against_champion=True,
    ),
)


def get_gate(name: str) -> Gate | None:
    """Return the row of a gate; None if there is no such gate (any more)."""
    return next((gate for gate in GATES if gate.name == name), None)


def get_stage_gates(stage: str) -> tuple[Gate, ...]:
    """Return the gates that a stage judges, in the order of the table."""
    return tuple(gate for gate in GATES if stage in gate.stages)
