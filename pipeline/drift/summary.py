"""The report of a drift check in the terminal."""

from __future__ import annotations

from pipeline.columns import LABEL
from pipeline.console import echo, print_table
from pipeline.drift.columns import PREDICTION
from pipeline.drift.report import (
    BLIND_SPOT,
    DRIFT,
    ExpectedPerformance,
    Report,
    describe_joint,
)


def print_report(report: Report) -> None:
    """Print the report as a table."""
    columns = report.columns(PREDICTION, LABEL.name)
    if columns:
        print_table(
            f"Drift: {report.reference.rows:,} reference rows, "
            f"{report.current.rows:,} current rows",
            ("column", "reference", "current", "method", "score", "change", "drift if", "verdict"),
            (
                (
                    name,
                    str(column.reference),
                    str(column.current),
                    column.method,
                    column.shown_score,
                    f"{column.effect:.1%}",
                    column.rule,
                    "drifted" if column.drifted else "same",
                )
                for name, column in columns.items()
            ),
        )
    if report.joint:
        echo(f"All features together: {describe_joint(report.joint)}")
    if report.performance:
        _print_performance(report.performance)
    for sentence in report.source_changes:
        echo(sentence, "yellow")
    echo(report.sentence, "yellow" if report.verdict == DRIFT else None)


def _print_performance(performance: ExpectedPerformance) -> None:
    """Print the expected performance as a table."""
    print_table(
        f"Expected performance without labels: {performance.predicted_positive:,} of "
        f"{performance.rows:,} current rows are predicted {LABEL.positive}",
        ("metric", "expected", "measured with labels"),
        performance.table,
    )
    echo(BLIND_SPOT)
