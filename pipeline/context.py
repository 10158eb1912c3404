"""The context that every stage and command works in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.data.pseudonyms import find_pseudonyms
from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.tombstones import Sign
from pipeline.tracking.registry import Registry

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Context:
    """What a stage or command works with.

    Attributes:
        settings: All settings.
        run_id: Id of the pipeline run, by which a stage finds its inputs in the lake.
        lake: The data lake.
        registry: MLflow's runs and model registry, connected on first use.

    Raises:
        SettingsError: If the run id has characters other than letters, digits, `.`, `_` and `-`.
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
    """Open the lake and the registry that the settings name.

    Args:
        settings: All settings.
        run_id: Id of the pipeline run.

    Returns:
        The context of the run.
    """

    def find_signer() -> Sign | None:
        pseudonyms = find_pseudonyms(settings)
        return pseudonyms.sign if pseudonyms else None

    lake = open_lake(settings.lake, find_signer)
    return Context(settings, run_id, lake, Registry(settings.mlflow))
