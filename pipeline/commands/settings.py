"""Lists every setting: variable, value and meaning."""

from __future__ import annotations

from pipeline.console import show_table
from pipeline.context import Context
from pipeline.settings import values_of, variables


def run(context: Context) -> None:
    """Prints the table."""
    values = dict(values_of(context.settings))
    rows = [
        (name, str(values[name]) + ("" if values[name] == default else " (set)"), description)
        for name, (description, default) in variables().items()
    ]
    show_table("Settings", ("variable", "value", "meaning"), rows)
