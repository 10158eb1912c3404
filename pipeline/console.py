"""What stages show to people, on standard error: colours and tables on a terminal, plain lines elsewhere."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 160  # of a line in a pod's log


@functools.cache
def console(is_answer: bool = False) -> Console:
    """The process's console, on standard error, or standard output for answers; rich honours NO_COLOR."""
    terminal = (sys.stdout if is_answer else sys.stderr).isatty()
    return Console(
        stderr=not is_answer,
        highlight=False,
        soft_wrap=not terminal,
        width=None if terminal else PLAIN_WIDTH,
    )


def echo(text: str, style: str | None = None) -> None:
    """A line for people."""
    console().print(text, style=style, markup=False)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, is_answer: bool = False
) -> None:
    """A table for people; cells that read `failed` or `holds`, say, are coloured by their word.

    A table that is the answer to a command (`is_answer`) goes to standard output.
    """
    shown = console(is_answer)
    table = Table(
        *columns,
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD if shown.is_terminal else box.ASCII2,
    )
    for row in rows:
        table.add_row(*(_coloured(cell) for cell in row))
    shown.print(table)


def _coloured(cell: str) -> str:
    escaped = cell.replace("[", r"\[")
    style = {"failed": "red", "holds": "green", "drifted": "yellow"}.get(cell)
    return f"[{style}]{escaped}[/{style}]" if style else escaped


def format_decision(probability: float, threshold: float) -> tuple[str, str]:
    """Format a probability and the threshold it is compared to, so that the comparison shows.

    Both get two decimals, or as many as it takes for them to differ if the numbers do.
    """
    for decimals in range(2, 17):
        shown = f"{probability:.{decimals}f}", f"{threshold:.{decimals}f}"
        if shown[0] != shown[1] or probability == threshold:
            break
    return shown
