"""The result of `validate` for the person who approves a promotion, in Markdown."""

from __future__ import annotations

from pathlib import Path

from pipeline.evaluation import gates
from pipeline.storage.artifacts.deployment import ValidationReport
from pipeline.storage.artifacts.gates import GateResult

MAX_BYTES = 4096
"""Size of a container's termination message, with which Airflow receives the text."""


def write_summary(report: ValidationReport, path: Path) -> None:
    """Write the decision, the notes and the gate table.

    Args:
        report: The report of `validate`.
        path: The file to write.
    """
    path.write_bytes(summarize(report).encode())


def summarize(report: ValidationReport) -> str:
    """Return the decision, the notes and the gate table in at most MAX_BYTES bytes.

    Gates that do not fit are counted in the last line.
    """
    champion = f"version {report.champion}" if report.champion else "no champion"
    heading = f"Version {report.candidate} against {champion}: {report.decision}.\n\n"
    notes = "".join(f"- {note}\n" for note in report.notes)
    text = (
        heading
        + (f"{notes}\n" if notes else "")
        + "| gate | value | must be | verdict |\n| --- | --- | --- | --- |\n"
    )
    rows = [_format_row(result) for result in report.gates]
    for index, row in enumerate(rows):
        rest = f"\n{len(rows) - index} more gates are in the log of `validate`.\n"
        if len((text + row + rest).encode()) > MAX_BYTES:
            return text + rest
        text += row
    return text


def _format_row(result: GateResult) -> str:
    cells = (
        gates.get_title(result.name),
        *gates.format_requirement(result),
        gates.get_verdict(result),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
