"""The table of gates, and its results for people."""

from __future__ import annotations

import inspect

import pytest

from pipeline.evaluation import gates, measurements
from pipeline.gate_table import GATES, Gate, Statistic
from pipeline.settings import Settings
from pipeline.stages import STAGES
from pipeline.storage.artifacts.gates import GateResult, Power


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_row_is_complete(gate: Gate) -> None:
    """Its measuring function, stages and setting exist, and a changed bound is used."""
    assert inspect.isfunction(getattr(measurements, gate.measure))
    assert gate.stages.keys() <= {stage.name for stage in STAGES}
    settings = Settings.load({f"MLOPS_GATES__{gate.name.upper()}": "0.125"})
    assert getattr(settings.gates, gate.name) == 0.125
    assert getattr(Settings().gates, gate.name) == gate.bound


def test_names_are_unique() -> None:
    """Two rows with the same name would be one setting."""
    assert len({gate.name for gate in GATES}) == len(GATES)


def test_a_name_begins_with_the_direction() -> None:
    """Readers of a report see from the name which side of the bound passes."""
    with pytest.raises(ValueError, match="the gate recall must begin with min_"):
        Gate("recall", "Recall", "min", 0.5, "why", "recall", {"evaluate": Statistic.POINT})


@pytest.mark.parametrize(
    ("direction", "below", "above"), [("min", False, True), ("max", True, False)]
)
def test_the_bound_itself_passes(direction: str, below: bool, above: bool) -> None:
    """A `min_` gate passes from its bound up, a `max_` gate up to its bound."""
    gate = Gate(f"{direction}_x", "X", direction, 0.5, "why", "recall", {})  # type: ignore[arg-type]
    assert [gate.passes(value, 0.5) for value in (0.4, 0.5, 0.6)] == [below, True, above]


def result(value: float | None, bound: float = 0.65, passed: bool = False) -> GateResult:
    return GateResult(name="min_roc_auc", bound=bound, reason="why", value=value, passed=passed)


def test_failures_show_the_digits_that_decide() -> None:
    """A number just below its bound does not look like the bound."""
    assert gates.describe_failures([result(0.6), result(0.9, passed=True)]) == (
        "min_roc_auc is 0.6, the bound is 0.65 (off by 0.05)"
    )
    assert gates.describe_failures([result(0.6499996)]) == (
        "min_roc_auc is 0.6499996, the bound is 0.65 (off by 4e-07)"
    )


def test_a_table_shows_what_is_judged() -> None:
    """The same gate compares the point estimate in `evaluate`, and the upper end in `demote`."""
    row = "min_roc_auc", "point estimate", "0.6", "0.65", "failed", "why"
    assert gates.tabulate_gates("evaluate", [result(0.6)]) == [row]
    ((_, judged, *_),) = gates.tabulate_gates("demote", [result(0.6)])
    assert judged == "upper end of the 95 % interval"
    ((*_, value, _, verdict, _),) = gates.tabulate_gates("demote", [result(None, passed=True)])
    assert (value, verdict) == ("nothing to judge", "passed")


def test_a_gate_of_an_earlier_release_is_shown() -> None:
    """The manifest of a version can name a gate that does not exist any more."""
    old = GateResult(name="min_old", bound=1, reason="why", value=2, passed=True)
    assert gates.tabulate_gates("evaluate", [old]) == [("min_old", "", "2", "1", "passed", "why")]


def test_power_is_shown_where_it_is_known() -> None:
    """An upper end finds losses, the others gains; too few rows find nothing."""
    rows = []
    for found in ({"smallest_gain": 0.07}, {"smallest_loss": 0.25}, {"smallest_gain": 1.0}):
        power = Power(refuse_good=0.125, accept_bad=0.28, **found)
        rows += gates.tabulate_power([result(0.6).model_copy(update={"power": power}), result(0.6)])
    assert [row[3] for row in rows] == ["+0.070", "-0.250", "nothing"]
    assert rows[0][:3] == ("min_roc_auc", "12%", "28%")


def test_the_power_is_printed_below_the_gates(capsys: pytest.CaptureFixture[str]) -> None:
    """With what good and bad mean; without a known power there is no such table."""
    gates.print_gates("Gates", "evaluate", [result(0.6)])
    assert "Power" not in capsys.readouterr().err
    power = Power(refuse_good=0.02, accept_bad=0.28, smallest_gain=0.07)
    gates.print_gates("Gates", "evaluate", [result(0.6).model_copy(update={"power": power})])
    shown = capsys.readouterr().err
    assert "+0.070" in shown
    assert "A good model is better than the bound by 0.1, or than the champion by 0.05" in shown
