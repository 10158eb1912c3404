"""Which pipeline runs are still needed, and why: their rows and reports are not deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.evaluation.challenges import Challenge, Look
from pipeline.evaluation.datasets import find_newest_gold
from pipeline.settings.retention import RetentionSettings
from pipeline.storage.lake import Lake
from pipeline.storage.layout import CHALLENGES, is_challenge
from pipeline.tracking.promotion_log import read_records
from pipeline.tracking.registry import Registry, Version
from pipeline.tracking.runs import PIPELINE_RUN_TAG


@dataclass(frozen=True)
class Needs:
    """What must be kept.

    Attributes:
        versions: Registered versions that are kept, oldest first.
        old_versions: Registered versions that are not.
        runs: Id of a pipeline run -> who needs it.
    """

    versions: list[Version]
    old_versions: list[Version]
    runs: dict[str, str]


def find_needs(lake: Lake, registry: Registry, settings: RetentionSettings) -> Needs:
    """Find which versions and runs must be kept.

    Args:
        lake: The lake.
        registry: The model registry.
        settings: How many registered versions are kept.

    Raises:
        LakeError: If the lake cannot be read.
        RegistryError: If MLflow does not respond. Nothing may be deleted then.
    """
    versions = registry.list_versions()
    aliased = registry.list_aliased().values()
    numbers = {version.number for version in aliased}
    newest = versions[-settings.versions :]  # all of them if the setting is 0
    kept = [one for one in versions if one.number in numbers or one in newest]
    champions = {version.run_id for version in aliased}
    newest_gold = find_newest_gold(lake)  # on which `demote` measures models
    runs = {
        **({newest_gold.run_id: "the newest data"} if newest_gold else {}),
        **dict.fromkeys(_find_promotions(lake, kept), "a promotion of a registered model"),
        **dict.fromkeys(_find_looks(lake, champions), "an open challenge"),
        **{one.tags[PIPELINE_RUN_TAG]: "a registered model" for one in kept if _has_run(one)},
    }
    return Needs(kept, [one for one in versions if one not in kept], runs)


def _has_run(version: Version) -> bool:
    return PIPELINE_RUN_TAG in version.tags


def _find_promotions(lake: Lake, versions: list[Version]) -> Iterator[str]:
    """Runs that moved production to one of these versions, or were to."""
    numbers = {version.number for version in versions}
    for record in read_records(lake):
        if record.run_id and record.move.to in numbers:
            yield record.run_id


def _find_looks(lake: Lake, champions: set[str]) -> Iterator[str]:
    """Runs whose test splits were used in a challenge of one of these champions."""
    looks: list[str] = []
    open_folders = set()
    for key in lake.keys(CHALLENGES):
        if not is_challenge(key):
            looks.append(key)
        elif lake.read_model(key, Challenge).champion in champions:
            open_folders.add(key.rpartition("/")[0])
    for key in looks:
        if any(key.startswith(f"{folder}/") for folder in open_folders):
            yield lake.read_model(key, Look).gold_run_id
