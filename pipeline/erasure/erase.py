"""Erase what is held of a person. Killed at any write and run again, the erasure ends the same.

No stage runs meanwhile. First the tombstone of the person is written, with the models to retrain.
Live traffic is erased next, then reports and gold, silver, and bronze last: what is left always
suffices to find the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel

from pipeline.context import Context
from pipeline.data.pseudonyms import Pseudonyms
from pipeline.data.source_changes import remove_values
from pipeline.erasure.models import delete_bundles, find_models, has_rows
from pipeline.erasure.person import Person
from pipeline.erasure.rows import Row
from pipeline.erasure.search import Findings, Held, find_filter, search
from pipeline.erasure.tombstones import write_model, write_object, write_person
from pipeline.retention.tracked_runs import delete_runs, find_runs
from pipeline.storage import layout
from pipeline.storage.artifacts.data import SourceChanges
from pipeline.storage.exclusion import exclude_stages
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.storage.tombstones import ModelTombstone, ObjectTombstone, PersonTombstone
from pipeline.storage.versions import StoredVersion
from pipeline.times import utc_now
from pipeline.tracking.registry import Version


@dataclass(frozen=True)
class Erasure:
    """What was erased.

    Attributes:
        versions: Number of versions of objects with rows of the person.
        rows: Number of rows in them.
        tombstone: The tombstone of the person.
        retrain: Registered versions that were trained on the rows.
        bundles: Versions among them whose bundle has rows of the person, and that have an alias:
            number -> alias.
        left: Versions of objects that still have rows, because they were written meanwhile.
        marked: Number of MLflow runs that are deleted only when `mlflow gc` runs on the server.
    """

    versions: int
    rows: int
    tombstone: PersonTombstone
    retrain: list[Version]
    bundles: dict[str, str]
    left: list[Held]
    marked: int


def erase(
    context: Context,
    person: Person,
    pseudonyms: Pseudonyms,
    *,
    ignore_running: bool = False,
    delete_previous: bool = False,
) -> Erasure:
    """Erase the rows of a person, and what shows them.

    Args:
        context: The lake and the registry.
        person: The person.
        pseudonyms: The secret of the release, which signs the tombstones.
        ignore_running: Whether stages that are marked as running were killed.
        delete_previous: Whether versions whose bundle has rows of the person are deleted although
            they have the alias `previous` or `staging`.

    Raises:
        LakeError: If the lake cannot be read or written, or a stage is running.
        RegistryError: If MLflow does not respond.
    """
    with exclude_stages(context.lake, person.erased_id, ignore_running=ignore_running):
        return _erase(context, person, pseudonyms, delete_previous)


def _erase(
    context: Context, person: Person, pseudonyms: Pseudonyms, delete_previous: bool
) -> Erasure:
    lake, registry, at = context.lake, context.registry, utc_now()
    findings = search(lake, person)
    models = find_models(registry, findings.training_runs)
    tombstone = write_person(
        lake,
        pseudonyms,
        person.erased_id,
        PersonTombstone(
            erased_at=at,
            training_runs=sorted(findings.training_runs),
            models=sorted(version.run_id for version in models),
            bundles=sorted(
                version.run_id
                for version in models
                if has_rows(registry, version, findings.features)
            ),
        ),
    )
    training_runs = set(tombstone.training_runs)
    models = find_models(registry, training_runs)
    for version in models:
        mark = ModelTombstone(erased_at=tombstone.erased_at, version=version.number)
        write_model(lake, pseudonyms, version.run_id, mark)
    models, bundles = delete_bundles(
        registry, models, set(tombstone.bundles), delete_previous=delete_previous
    )
    _clean_source_changes(lake, findings)
    marked = _delete_reports(context, training_runs)
    eraser = _Eraser(lake, person, pseudonyms, findings.features, tombstone.erased_at)
    for held in findings.held:
        eraser.erase(held.version)
    return Erasure(
        versions=len(findings.held),
        rows=sum(len(held.rows) for held in findings.held),
        tombstone=tombstone,
        retrain=models,
        bundles=bundles,
        left=search(lake, person).held,
        marked=marked,
    )


@dataclass(frozen=True)
class _Eraser:
    """Erases the rows of a person from objects."""

    lake: Lake
    person: Person
    pseudonyms: Pseudonyms
    features: set[Row]
    erased_at: str

    def erase(self, version: StoredVersion) -> None:
        """Write an object without the rows, and delete the version with them."""
        if version.is_current:
            self._rewrite(version.key)
        for one in self.lake.all_versions(version.key):
            same = (one.key, one.version) == (version.key, version.version)
            if same and not one.is_current:
                self.lake.erase(one.key, one.version)

    def _rewrite(self, key: str) -> None:
        remove = find_filter(key, self.person, self.features)
        assert remove is not None
        data = self.lake.read(key)
        filtered = remove(data)
        if not filtered.removed:
            return
        if not _is_upload(key):
            self._write_tombstone(key, sha256_hex(data), sha256_hex(filtered.data))
        elif not filtered.kept:
            _erase_all(self.lake, key)
            return
        self.lake.write(key, filtered.data)

    def _write_tombstone(self, key: str, before: str, after: str) -> None:
        name = key.rpartition("/")[2].removesuffix(".csv")
        if key == layout.bronze_file(name):  # its blocks are others now
            _erase_all(self.lake, layout.bronze_manifest(name))
        tombstone = ObjectTombstone(erased_at=self.erased_at, key=key, before=before, after=after)
        write_object(self.lake, self.pseudonyms, tombstone)


def _is_upload(key: str) -> bool:
    """Whether no manifest has the hash of an object, so that it may be deleted as a whole."""
    return key.startswith((layout.SILVER_LIVE, layout.BRONZE_INBOX, layout.LISTS_TO_SCORE))


def _erase_all(lake: Lake, key: str) -> None:
    for version in reversed(lake.versions(key)):
        lake.erase(key, version)


def _delete_reports(context: Context, training_runs: set[str]) -> int:
    """Delete the reports that show single rows, and MLflow runs of which no version is registered.

    Returns:
        The number of MLflow runs that only the server can delete for good.
    """
    lake, name = context.lake, layout.DRIFT_REPORT
    folders = [
        key.removesuffix(name)
        for key in lake.keys(f"{layout.REPORTS}/")
        if key.endswith(f"/{name}") and _compares(lake, key, training_runs)
    ]
    drift_runs = {folder.split("/")[1] for folder in folders} - {""}
    runs = find_runs(context.registry, training_runs | drift_runs)
    marked = 0 if delete_runs(context.registry, runs) else len(runs)
    # The report, by which the other files are found, is deleted last.
    files = [name, *(other for other in layout.DRIFT_FILES if other != name)]
    for folder in folders:
        for file in reversed(files):
            _erase_all(lake, folder + file)
    for run_id in training_runs:
        _erase_all(lake, layout.out_of_fold(run_id))
    return marked


class _Reference(BaseModel):
    splits: dict[str, str] | None = None


class _DriftReport(BaseModel):
    """The part of a drift report that names the training rows."""

    reference: _Reference = _Reference()


def _compares(lake: Lake, key: str, training_runs: Iterable[str]) -> bool:
    """Whether a drift report compares live traffic with the training rows of one of these runs."""
    splits = lake.read_model(key, _DriftReport).reference.splits or {}
    prefixes = tuple(f"{layout.GOLD_PREFIX}{run_id}/" for run_id in training_runs)
    return any(split.startswith(prefixes) for split in splits)


def _clean_source_changes(lake: Lake, findings: Findings) -> None:
    """Remove the person's values from the unknown values of the newest raw file."""
    key = layout.latest_report_file(layout.SOURCE_CHANGES)
    if not lake.exists(key):
        return
    changes = lake.read_model(key, SourceChanges)
    rows = (row for held in findings.held for row in held.rows)
    new_values = remove_values(changes.new_values, rows)
    cleaned = changes.model_copy(update={"new_values": new_values})
    if cleaned != changes:
        lake.write_model(key, cleaned)
        for one in lake.all_versions(key):
            if one.key == key and not one.is_current:
                lake.erase(key, one.version)
