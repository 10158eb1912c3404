"""The functions that measure what gates judge. Rows of pipeline/gate_table.py name them.

Each function returns a Measurement, or None if there is nothing to measure, such as a difference
from the champion when there is no champion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.columns import EXPECTATIONS
from pipeline.data_check.report import DataCheck
from pipeline.evaluation import behavioral_checks, groups, recalibration, shadow
from pipeline.evaluation.champion import ChampionComparison, measure_latency_ms
from pipeline.evaluation.groups import GroupRate, GroupRows
from pipeline.evaluation.honest_agreement import compare_agreement
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.shadow import ShadowTraffic
from pipeline.evaluation.small_groups import describe_size, pool_small_groups
from pipeline.model.bundle import ONNX, Manifest
from pipeline.model.clusters import compute_clustered_metrics
from pipeline.settings import Settings
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.evaluation import Evidence


@dataclass(frozen=True)
class Measurement:
    """A measured number.

    Attributes:
        value: The number, or its point estimate.
        low: Lower end of its 95 % interval; None if it has no interval.
        high: Upper end of its 95 % interval; None if it has no interval.
        note: A sentence about it for people, or nothing.
    """

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class GateInputs:
    """Everything that gates are measured on.

    Attributes:
        settings: The bounds, and the fewest rows that are judged.
        model: The judged model and labelled rows.
        comparison: The model compared with the champion; None if there is no champion.
        shadow: Live rows that the model scored in the shadow; None if there are none.
        training_onnx_difference: Largest difference in probability between the ONNX model and the
            trained model that was recorded when the model was trained; None if it is unknown.
        evidence: Evidence over all runs that the model's recipe is better than the champion; None
            without a champion.
        data_check: What `preprocess` found in the rows; None in runs of earlier releases.
        out_of_fold: Training rows with out-of-fold predictions; None if there are none.
    """

    settings: Settings
    model: SplitPredictions
    comparison: ChampionComparison | None = None
    shadow: ShadowTraffic | None = None
    training_onnx_difference: float | None = None
    evidence: Evidence | None = None
    data_check: DataCheck | None = None
    out_of_fold: GroupRows | None = None

    @cached_property
    def group_rows(self) -> GroupRows:
        """The rows that groups are measured on: out of fold, or the test rows."""
        return self.out_of_fold or groups.take_test_rows(self.model)

    @cached_property
    def shown_groups(self) -> GroupRows:
        """The same rows in the groups that are large enough to be shown."""
        return pool_small_groups(self.group_rows, self.settings.card.min_group_size)

    @cached_property
    def metrics(self) -> Mapping[str, Interval]:
        """The model's metrics on the rows."""
        return compute_clustered_metrics(
            self.model.labels, self.model.predictions, self.model.units
        )


def get_recorded_onnx_difference(manifest: Manifest) -> float | None:
    """Return the difference that `evaluate` judged when the version was registered, if it did.

    It includes the difference on the rows that `train` compared.
    """
    return next((gate.value for gate in manifest.gates if gate.name == "max_onnx_difference"), None)


def roc_auc(inputs: GateInputs) -> Measurement:
    """Area under the ROC curve."""
    return _from_interval(inputs.metrics["roc_auc"])


def recall(inputs: GateInputs) -> Measurement:
    """Fraction of the positive rows that are predicted positive."""
    return _from_interval(inputs.metrics["recall"])


def balanced_accuracy(inputs: GateInputs) -> Measurement:
    """Mean of recall and specificity."""
    return _from_interval(inputs.metrics["balanced_accuracy"])


def order_auc(inputs: GateInputs) -> Measurement | None:
    """ROC AUC of the row number in the raw file, or of its reverse."""
    check = inputs.data_check
    if check is None or check.order is None:
        return None
    return Measurement(check.order.strength)


def onnx_difference(inputs: GateInputs) -> Measurement:
    """Largest difference in probability between the ONNX model and the trained model.

    The stored examples are scored now. `train` compared the models on a grid of rows, and only its
    result is known here.
    """
    examples = inputs.model.bundle.manifest.examples
    served = inputs.model.score(np.array(examples.inputs))
    on_examples = float(np.abs(served - np.array(examples.expected)).max())
    return Measurement(max(on_examples, inputs.training_onnx_difference or 0.0))


def gain_evidence(inputs: GateInputs) -> Measurement | None:
    """E-value over all runs, corrected for the number of challenges of the year."""
    evidence = inputs.evidence
    return None if evidence is None else Measurement(evidence.corrected, note=evidence.sentence)


def roc_auc_difference(inputs: GateInputs) -> Measurement | None:
    """ROC AUC minus the champion's."""
    return _difference(inputs, "roc_auc")


def recall_difference(inputs: GateInputs) -> Measurement | None:
    """Recall minus the champion's."""
    return _difference(inputs, "recall")


def balanced_accuracy_difference(inputs: GateInputs) -> Measurement | None:
    """Balanced accuracy minus the champion's."""
    return _difference(inputs, "balanced_accuracy")


def calibration_error(inputs: GateInputs) -> Measurement:
    """Mean difference between predicted and recalibrated probability, by the rarer class's rate."""
    model = inputs.model
    return _from_interval(
        recalibration.calibration_error(model.labels, model.predictions.probability, model.units)
    )


def expected_effect(inputs: GateInputs) -> Measurement | None:
    """Smallest mean rise in probability over columns.EXPECTATIONS."""
    model = inputs.model
    effect = behavioral_checks.expected_effect(model.score, model.features, EXPECTATIONS)
    return None if effect is None else Measurement(effect)


def rounding_flip_rate(inputs: GateInputs) -> Measurement:
    """Fraction of rows whose label depends on rounding."""
    model = inputs.model
    return Measurement(
        behavioral_checks.rounding_flip_rate(
            model.score, model.features, model.predictions.threshold
        )
    )


def group_recall(inputs: GateInputs) -> Measurement | None:
    """Recall in the group where its upper end is lowest."""
    rows = inputs.group_rows
    lowest = groups.find_lowest_recall(rows, inputs.settings.deployment.min_positives)
    if lowest is None:
        return None
    start = "the recall's upper end is lowest in"
    return _from_group(lowest, _describe_group(inputs, start, lowest, str(lowest.rate)))


def group_false_positive_rate_gap(inputs: GateInputs) -> Measurement | None:
    """Measure by how much the false positive rate of a group exceeds that of all rows."""
    rows = inputs.group_rows
    highest = groups.find_highest_false_positive_rate(rows)
    if highest is None:
        return None
    start = "the false positive rate's lower end is highest in"
    gap = f"{highest.rate.signed} compared with all rows"
    return _from_group(highest, _describe_group(inputs, start, highest, gap))


def _describe_group(inputs: GateInputs, start: str, group: GroupRate, rate: str) -> str:
    """A sentence with the name and the rate of a group, unless it is too small to be shown."""
    rows = inputs.group_rows
    if group.group in inputs.shown_groups.groups:
        return f"{start} the group '{group.group}': {rate} ({rows.source})"
    size = describe_size(rows, inputs.settings.card.min_group_size)
    return (
        f"{start} a group that is not shown, because it or another one of its column has fewer "
        f"than {size} ({rows.source})"
    )


def latency_ms(inputs: GateInputs) -> Measurement:
    """Median time to score one row, in milliseconds."""
    return Measurement(measure_latency_ms([inputs.model])[0])


def model_size_mib(inputs: GateInputs) -> Measurement:
    """Size of the ONNX file in MiB."""
    return Measurement(len(inputs.model.bundle.files[ONNX]) / 2**20)


def signature_match(inputs: GateInputs) -> Measurement:
    """1 if the model accepts the API's features, otherwise 0."""
    return Measurement(float(inputs.model.signature_matches))


def shadow_agreement_difference(inputs: GateInputs) -> Measurement | None:
    """Agreement with the champion on live rows, minus that of two honest refits."""
    traffic = inputs.shadow
    if traffic is None or traffic.rows < inputs.settings.deployment.min_shadow_rows:
        return None
    model, comparison = inputs.model, inputs.comparison
    refits = shadow.predict_refits(model.bundle, model.features)
    if comparison is None or refits is None:
        return None
    champion = shadow.predict_refits(comparison.champion.bundle, model.features)
    models = [refits] if champion is None else [refits, champion]
    return _from_interval(compare_agreement(traffic.agreement, traffic.rows, models))


def _from_interval(interval: Interval) -> Measurement:
    return Measurement(interval.value, interval.low, interval.high)


def _difference(inputs: GateInputs, metric: str) -> Measurement | None:
    comparison = inputs.comparison
    if comparison is None or not comparison.has_enough_new_rows:
        return None
    return _from_interval(comparison.difference[metric])


def _from_group(found: GroupRate, note: str) -> Measurement:
    return Measurement(found.rate.value, found.rate.low, found.rate.high, note)
