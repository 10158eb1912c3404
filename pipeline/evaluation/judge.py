"""Measure a model and hold it to the gates of a stage."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import gate_table
from pipeline.evaluation import measurements
from pipeline.evaluation.measurements import GateInputs, Measurement
from pipeline.evaluation.predictions import SignatureMismatchError
from pipeline.gate_table import Gate, Statistic
from pipeline.storage.artifacts import GateResult

NUMBERS = {
    Statistic.VALUE: "value",
    Statistic.POINT: "value",
    Statistic.LOWER: "low",
    Statistic.UPPER: "high",
}
"""The attribute of a Measurement for each statistic."""


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
    )
