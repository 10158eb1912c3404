"""Lists every setting: variable, value and meaning."""

from __future__ import annotations

from pipeline.console import print_table
from pipeline.context import Context
from pipeline.settings import current_values, variables


def run(context: Context) -> None:
    """Prints the table."""
    values = dict(current_values(context.settings))
    rows = [
        (name, str(values[name]) + ("" if values[name] == default else " (set)"), description)
        for name, (description, default) in variables().items()
    ]
    print_table("Settings", ("variable", "value", "meaning"), rows)
