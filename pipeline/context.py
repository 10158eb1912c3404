"""What every command gets: settings, the run's id, the lake and the model registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.storage.lake import Lake, open_lake
from pipeline.tracking.registry import Registry

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Context:
    """What a command works with.

    Attributes:
        settings: All settings.
        run_id: Names the run's objects in the lake; a stage finds its inputs by it.
        lake: The data lake.
        registry: MLflow's runs and model registry; it connects on first use.

    Raises:
        SettingsError: If the run id contains other characters than letters, digits, `.`, `_`, `-`.
    """

    settings: Settings
    run_id: str
    lake: Lake
    registry: Registry

    def __post_init__(self) -> None:
        if not RUN_ID.fullmatch(self.run_id):
            raise SettingsError(
                f"The run id {self.run_id!r} is invalid. Use up to 100 letters, digits, '.', '_' "
                "and '-', and begin with a letter or digit."
            )


def open_context(settings: Settings, run_id: str) -> Context:
    """The context of a run on the lake and registry that the settings name."""
    return Context(settings, run_id, open_lake(settings.lake), Registry(settings.mlflow))


def utc_now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
