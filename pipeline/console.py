"""Output for people: colors and tables on a terminal, plain lines elsewhere.

Messages go to standard error. Standard output is for the answer to a command.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 160
"""Columns of a table that is not shown on a terminal, such as one in a pod's log."""

COLORS = {"failed": "red", "passed": "green", "drifted": "yellow"}
"""Colors of a table's cells by their text."""


@functools.cache
def console(is_answer: bool = False) -> Console:
    """Return the console on standard error, or on standard output for answers.

    It has no colors if the environment sets NO_COLOR.
    """
    terminal = (sys.stdout if is_answer else sys.stderr).isatty()
    return Console(
        stderr=not is_answer,
        highlight=False,
        soft_wrap=not terminal,
        width=None if terminal else PLAIN_WIDTH,
    )


def echo(text: str, style: str | None = None) -> None:
    """Print a line on standard error.

    Args:
        text: The line.
        style: Its color on a terminal, such as "red".
    """
    console().print(text, style=style, markup=False)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, is_answer: bool = False
) -> None:
    """Print a table.

    Args:
        title: Line above the table.
        columns: Header.
        rows: Cells of each row; those with a text of COLORS are colored.
        is_answer: Whether the table is the answer to a command, and goes to standard output.
    """
    shown = console(is_answer)
    table = Table(
        *columns,
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD if shown.is_terminal else box.ASCII2,
    )
    for row in rows:
        table.add_row(*(_color(cell) for cell in row))
    shown.print(table)


def _color(cell: str) -> str:
    escaped = cell.replace("[", r"\[")
    style = COLORS.get(cell)
    return f"[{style}]{escaped}[/{style}]" if style else escaped


def format_decision(probability: float, threshold: float) -> tuple[str, str]:
    """Format a probability and its threshold so that the comparison is visible.

    Returns:
        Both with two decimals, or with as many as make them differ if the numbers do.
    """
    for decimals in range(2, 17):
        shown = f"{probability:.{decimals}f}", f"{threshold:.{decimals}f}"
        if shown[0] != shown[1] or probability == threshold:
            break
    return shown
