"""What every command is handed: settings, the lake, the run's id and the command's own arguments."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.storage.lake import Lake, open_lake
from pipeline.tracking.registry import Registry

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Context:
    """`run_id` names the run's objects in the lake; a stage finds its inputs by it."""

    settings: Settings
    run_id: str
    arguments: argparse.Namespace = field(default_factory=argparse.Namespace)

    def __post_init__(self) -> None:
        if not RUN_ID.fullmatch(self.run_id):
            raise SettingsError(
                f"the run id {self.run_id!r} may hold up to 100 letters, digits, '.', '_' and '-', no others"
            )

    @cached_property
    def lake(self) -> Lake:
        return open_lake(self.settings.lake)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.settings.mlflow)


def utc_now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
