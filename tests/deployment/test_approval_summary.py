"""The gate table for the person who approves."""

from __future__ import annotations

import pytest

from pipeline.deployment.approval_summary import MAX_BYTES, summarize
from pipeline.storage.artifacts.deployment import ValidationReport
from pipeline.storage.artifacts.gates import GateResult


def make_report(count: int, *notes: str) -> ValidationReport:
    """A report with so many gates."""
    gate = GateResult(name="min_recall", bound=0.6, reason="why", value=0.8125, passed=True)
    return ValidationReport(
        run_id="run-1",
        created_at="2026-01-01T00:00:00+00:00",
        passed=True,
        candidate="3",
        champion="2",
        production="2",
        decision="every gate passed",
        metrics={},
        difference={},
        notes=list(notes),
        gates=[gate] * count,
    )


def test_every_gate_is_a_row() -> None:
    """The text names both versions and the decision; each gate has value, bound and verdict."""
    lines = summarize(make_report(2)).splitlines()
    assert lines[0] == "Version 3 against version 2: every gate passed."
    assert lines[2:4] == ["| gate | value | must be | verdict |", "| --- | --- | --- | --- |"]
    assert lines[4:] == ["| Cases found (recall) `min_recall` | 0.8125 | ≥ 0.6 | passed |"] * 2


def test_notes_come_before_the_table() -> None:
    """Among them that the figures are of a sample."""
    lines = summarize(make_report(1, "the figures are of a sample", "second")).splitlines()
    assert lines[2:5] == ["- the figures are of a sample", "- second", ""]
    assert lines[5].startswith("| gate |")


@pytest.mark.parametrize("count", [60, 200])
def test_a_long_table_is_cut(count: int) -> None:
    """A termination message has a limit; the last line says how many gates are missing."""
    text = summarize(make_report(count))
    rows = text.count("| passed |")
    assert len(text.encode()) <= MAX_BYTES
    assert (rows == count) != text.endswith(
        f"\n{count - rows} more gates are in the log of `validate`.\n"
    )
