"""Gates: bounds that a model must hold before it goes on. The table is `GateSettings`; this module reads and judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.console import print_table
from pipeline.settings import GateSettings
from pipeline.storage.artifacts import GateResult


def evaluate_gates(
    settings: GateSettings, stage: str, values: Mapping[str, float | None]
) -> list[GateResult]:
    """Every gate of `stage` against its value: `values` is keyed by the gate's name without its `min_` or `max_`.

    A value of None means that there is nothing to judge (no champion, say); the gate then holds.
    """
    results = []
    for name, info in GateSettings.model_fields.items():
        extra = info.json_schema_extra
        assert isinstance(extra, dict)
        stages = extra["stages"]
        assert isinstance(stages, list)
        if stage not in stages:
            continue
        side, _, measure = name.partition("_")
        bound, value = float(getattr(settings, name)), values[measure]
        passed = value is None or (value >= bound if side == "min" else value <= bound)
        results.append(
            GateResult(
                name=name, bound=bound, reason=info.description or "", value=value, passed=passed
            )
        )
    return results


def describe_failures(results: Sequence[GateResult]) -> str:
    """A sentence on the gates that do not hold, each with how far it is off; empty if all hold."""
    return "; ".join(
        f"{gate.name} is {gate.value:.4g}, the bound is {gate.bound:.4g} (off by {abs(gate.value - gate.bound):.4g})"
        for gate in results
        if not gate.passed and gate.value is not None
    )


def print_gates(title: str, results: Sequence[GateResult]) -> None:
    """The gate table, for people."""
    print_table(
        title,
        ("gate", "value", "bound", "verdict", "why"),
        (
            (
                gate.name,
                "nothing to judge" if gate.value is None else f"{gate.value:.4g}",
                f"{gate.bound:.4g}",
                "holds" if gate.passed else "failed",
                gate.reason,
            )
            for gate in results
        ),
    )
