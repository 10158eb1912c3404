"""Measure a model and hold it to the gates of a stage."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import gate_table
from pipeline.evaluation import measurements, power
from pipeline.evaluation.measurements import GateInputs, Measurement
from pipeline.evaluation.pass_probability import NUMBERS
from pipeline.evaluation.predictions import SignatureMismatchError
from pipeline.gate_table import Gate, Statistic
from pipeline.storage.artifacts.evaluation import Evidence
from pipeline.storage.artifacts.gates import GateResult, Power

RATES = {
    measurements.roc_auc.__name__: power.roc_auc_power,
    measurements.recall.__name__: power.recall_power,
    measurements.balanced_accuracy.__name__: power.balanced_accuracy_power,
}
"""The power of gates on metrics between 0 and 1, by measuring function."""
DIFFERENCES = {f"{measure}_difference": measure for measure in RATES}
"""The metric of each function that measures a difference from the champion."""


@dataclass(frozen=True)
class Judgement:
    """Results of a stage's gates, in the order of the table, and notes about what was measured."""

    results: list[GateResult]
    notes: tuple[str, ...]


def judge(stage: str, inputs: GateInputs) -> Judgement:
    """Measure a model and compare every number with its bound.

    Args:
        stage: The stage whose gates are judged.
        inputs: The model, and everything that it is measured on.

    Returns:
        A result per gate. If the stage judges the signature and the model does not accept the
        API's features, the gates that need predictions have no value.

    Raises:
        SignatureMismatchError: If a model does not accept the API's features and no gate would
            fail for it: the champion, or the model itself in a stage that does not judge the
            signature.
    """
    judged = gate_table.get_stage_gates(stage)
    judges_signature = any(gate.measure == measurements.signature_match.__name__ for gate in judged)
    results, notes = [], []
    for gate in judged:
        try:
            measurement = _measure(gate, inputs)
        except SignatureMismatchError:
            if inputs.model.signature_matches or not judges_signature:
                raise
            measurement = None
        results.append(_compare(gate, stage, measurement, inputs))
        if measurement and measurement.note:
            notes.append(measurement.note)
    return Judgement(results, tuple(notes))


def beats_champion(inputs: GateInputs) -> bool:
    """Whether the candidate passes the gates of `validate` that compare it with the champion."""
    return all(
        _compare(gate, "validate", _measure(gate, inputs), inputs).passed
        for gate in gate_table.get_stage_gates("validate")
        if gate.against_champion
    )


def _measure(gate: Gate, inputs: GateInputs) -> Measurement | None:
    measurement: Measurement | None = getattr(measurements, gate.measure)(inputs)
    return measurement


def _compare(
    gate: Gate, stage: str, measurement: Measurement | None, inputs: GateInputs
) -> GateResult:
    bound = float(getattr(inputs.settings.gates, gate.name))
    statistic = gate.stages[stage]
    value = None if measurement is None else getattr(measurement, NUMBERS[statistic])
    if measurement is not None and value is None:
        raise ValueError(f"{gate.name} compares the {statistic}, but {gate.measure} has none")
    return GateResult(
        name=gate.name,
        bound=bound,
        reason=gate.reason,
        value=value,
        passed=value is None or gate.passes(value, bound),
        power=None if value is None else get_power(gate, statistic, bound, inputs),
    )


def get_power(gate: Gate, statistic: Statistic, bound: float, inputs: GateInputs) -> Power | None:
    """Return the power of a gate that was judged.

    Args:
        gate: The gate.
        statistic: The number that the stage compares.
        bound: The bound.
        inputs: Everything that gates are measured on.

    Returns:
        The power; None if there is no closed form for it, or the number has no sampling error.
    """
    if gate.direction == "max":
        return None
    if gate.measure == measurements.gain_evidence.__name__:
        return _get_evidence_power(bound, inputs.evidence)
    if gate.measure in RATES:
        labels = inputs.model.labels
        positives = int(labels.sum())
        return RATES[gate.measure](bound, statistic, positives, labels.size - positives)
    if gate.measure in DIFFERENCES and inputs.comparison is not None:
        difference = inputs.comparison.difference[DIFFERENCES[gate.measure]]
        return power.difference_power(bound, statistic, difference)
    return None


def _get_evidence_power(bound: float, evidence: Evidence | None) -> Power | None:
    if evidence is None or evidence.std is None:
        return None
    return power.evidence_power(
        bound, evidence.number, evidence.margin, evidence.units, evidence.std
    )
