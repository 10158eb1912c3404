"""Lists every setting: variable, value and meaning."""

from __future__ import annotations

from pipeline.console import print_table
from pipeline.context import Context
from pipeline.environment import current_values, variables
from pipeline.settings import Settings


def run(context: Context) -> None:
    """Print the table; without the package `serving` it lacks the predictor's own settings."""
    settings = _all_settings() or context.settings
    values = dict(current_values(settings))
    rows = [
        (name, str(values[name]) + ("" if values[name] == default else " (set)"), description)
        for name, (description, default) in variables(type(settings)).items()
    ]
    print_table("Settings", ("variable", "value", "meaning"), rows)


def _all_settings() -> Settings | None:
    """Settings of stages and predictor; None where the package `serving` is not installed."""
    try:
        from serving.settings import Settings as ServingSettings
    except ImportError:
        return None
    return ServingSettings.load()
