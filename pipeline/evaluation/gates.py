"""Results of gates for people: tables and sentences.

The table of gates is pipeline/gate_table.py, and judge.py judges them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.console import echo, print_table
from pipeline.gate_table import DIFFERENCE_DISTANCE, RATE_DISTANCE, get_gate
from pipeline.storage.artifacts.gates import GateResult, Power

HEADER = ("gate", "judged", "value", "bound", "verdict", "why")
POWER_HEADER = ("gate", "good refused", "bad accepted", "found with 80 %")
POWER_MEANING = (
    f"A good model is better than the bound by {RATE_DISTANCE:g}, or than the champion by "
    f"{DIFFERENCE_DISTANCE:g}; a bad one is worse by as much, with a ROC AUC of at least 0.5"
)
"""What the columns of POWER_HEADER are about, without a full stop."""
PASSED, FAILED, NOT_JUDGED = "passed", "failed", "nothing to judge"
VERDICT_TONES = {PASSED: "good", FAILED: "bad"}
"""Colors of verdicts in reports; see reporting.document.Table."""


def describe_failures(results: Sequence[GateResult]) -> str:
    """Describe the failed gates with the distance to the bound; empty if all passed."""
    return "; ".join(
        "{} is {}, the bound is {} (off by {:.4g})".format(
            gate.name, *format_distinct(gate.value, gate.bound), abs(gate.value - gate.bound)
        )
        for gate in results
        if not gate.passed and gate.value is not None
    )


def tabulate_gates(stage: str, results: Sequence[GateResult]) -> list[tuple[str, ...]]:
    """Return the rows of a table with the columns of HEADER.

    Args:
        stage: The stage that judged the gates.
        results: The gates.
    """
    rows: list[tuple[str, ...]] = []
    for result in results:
        value, bound = format_distinct(result.value, result.bound)
        verdict = PASSED if result.passed else FAILED
        rows.append(
            (result.name, _get_statistic(stage, result), value, bound, verdict, result.reason)
        )
    return rows


def tabulate_power(results: Sequence[GateResult]) -> list[tuple[str, ...]]:
    """Return the rows of a table with the columns of POWER_HEADER, for gates with a known power.

    Args:
        results: The gates.
    """
    return [
        (
            result.name,
            f"{result.power.refuse_good:.0%}",
            f"{result.power.accept_bad:.0%}",
            _format_found(result.power),
        )
        for result in results
        if result.power
    ]


def get_title(name: str) -> str:
    """Return the title of a gate with its name; only the name of a gate of an earlier release."""
    gate = get_gate(name)
    return f"{gate.title} `{name}`" if gate else f"`{name}`"


def print_gates(title: str, stage: str, results: Sequence[GateResult]) -> None:
    """Print a table of the gates that a stage judged, and one of their power.

    Args:
        title: Line above the table.
        stage: Name of the stage.
        results: Its gates, in the order of the table.
    """
    print_table(title, HEADER, tabulate_gates(stage, results))
    if power := tabulate_power(results):
        print_table("Power of these gates", POWER_HEADER, power)
        echo(f"{POWER_MEANING}.")


def _format_found(power: Power) -> str:
    """The smallest gain, or loss, with its sign."""
    found, sign = power.smallest_gain, "+"
    if found is None:
        found, sign = power.smallest_loss, "-"
    return "nothing" if found is None or found >= 1 else f"{sign}{found:.3f}"


def _get_statistic(stage: str, result: GateResult) -> str:
    gate = get_gate(result.name)
    return gate.stages.get(stage, "") if gate else ""


def get_verdict(result: GateResult) -> str:
    """Return the verdict on a gate in one or two words."""
    if result.value is None and result.passed:
        return NOT_JUDGED
    return PASSED if result.passed else FAILED


def format_requirement(result: GateResult) -> tuple[str, str]:
    """Return the value of a gate, and its bound with a sign: "≥ 0.6"."""
    value, bound = format_distinct(result.value, result.bound)
    return value, f"{'≥' if result.name.startswith('min_') else '≤'} {bound}"


def format_distinct(value: float | None, bound: float) -> tuple[str, str]:
    """Value and bound with 4 digits, or as many as it takes to tell them apart."""
    if value is None:
        return NOT_JUDGED, f"{bound:.4g}"
    for digits in range(4, 17):
        texts = f"{value:.{digits}g}", f"{bound:.{digits}g}"
        if texts[0] != texts[1] or value == bound:
            return texts
    return repr(value), repr(bound)
