"""List every setting with its value and description."""

from __future__ import annotations

from pipeline.console import print_table
from pipeline.context import Context
from pipeline.environment import current_values, variables
from pipeline.settings import Settings


def run(context: Context) -> None:
    """Print the settings, with the predictor's own if the package `serving` is installed."""
    settings = _load_serving_settings() or context.settings
    values = dict(current_values(settings))
    rows = [
        (name, str(values[name]) + ("" if values[name] == default else " (set)"), description)
        for name, (description, default) in variables(type(settings)).items()
    ]
    print_table("Settings", ("variable", "value", "meaning"), rows)


def _load_serving_settings() -> Settings | None:
    try:
        from serving.settings import Settings as ServingSettings
    except ImportError:
        return None
    return ServingSettings.load()
