"""retain and holdings: what nothing needs is deleted, and the rest is listed with its reason."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import holdings, retain
from pipeline.context import Context
from pipeline.errors import RegistryError
from pipeline.evaluation.challenges import Challenge, Look
from pipeline.evaluation.recipes import Recipe
from pipeline.settings.connections import LakeSettings
from pipeline.settings.retention import RetentionSettings
from pipeline.storage import layout
from pipeline.storage.access import SERVICES
from pipeline.storage.artifacts.data import BronzePointer, GoldManifest, SilverManifest, SplitFacts
from pipeline.storage.lake import open_lake
from pipeline.storage.layout import bucket_name
from pipeline.storage.s3 import s3_client
from pipeline.tracking.registry import PRODUCTION, Registry
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults
from tests.support.lake_keys import KEYS
from tests.support.versions import register_empty

MakeContext = Callable[..., Context]

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=200)
OLD_RUNS = ("old", "registered", "looked-at", "newest")


def write_run(context: Context, run_id: str, raw: str) -> None:
    """Write the objects of a training run."""
    lake = context.lake
    lake.create(layout.bronze_file(raw), raw.encode())
    lake.create(layout.bronze_manifest(raw), b"{}")
    pointer = BronzePointer(
        sha256=raw, source="sample", fetched_at=NOW.isoformat(), rows=9, bytes=64
    )
    lake.write_model(layout.bronze_pointer(run_id), pointer)
    lake.write_model(layout.BRONZE_LATEST, pointer)
    lake.write(layout.silver_rows(run_id), b"rows")
    silver = SilverManifest(bronze=raw, sha256="s", rows=8, rejected=1)
    lake.write_model(layout.silver_manifest(run_id), silver)
    facts = SplitFacts(sha256="g", rows=2, positives=1)
    gold = GoldManifest(
        run_id=run_id,
        bronze=raw,
        silver="s",
        splits=dict.fromkeys(layout.SPLITS, facts),
        columns=[],
        seed=1,
        code_version="x",
    )
    for split in layout.SPLITS:
        lake.write(layout.gold_split(run_id, split), b"split")
    lake.write_model(layout.gold_manifest(run_id), gold)
    lake.write(layout.train_report(run_id), b"{}")


def open_challenge(context: Context, champion: str, run_id: str) -> None:
    """Open a challenge of a champion, with a look at the test split of a run."""
    recipe = Recipe(candidate="c", parameters={}, settings=None, code_version="x")
    challenge = Challenge(
        champion=champion,
        version="1",
        recipe=recipe,
        is_refresh=False,
        margin=0,
        opened_at=OLD.isoformat(),
    )
    context.lake.write_model(layout.challenge(champion, "r"), challenge)
    look = Look(candidate="c", gold_run_id=run_id, test="t", rows=1, positives=1, differences=[])
    context.lake.write_model(layout.challenge_look(champion, "r", "t"), look)


def set_age(context: Context, prefix: str, time: datetime) -> None:
    """Let the objects of a lake on disk be of a time."""
    folder = context.settings.lake.folder
    assert folder is not None
    for key in context.lake.keys(prefix):
        os.utime(folder / key, (time.timestamp(), time.timestamp()))


@pytest.fixture
def context(make_context: MakeContext, mlflow_file: dict[str, str]) -> Context:
    """A lake and a registry with one version in production, an open challenge, and live traffic.

    All is older than what is kept, except the run `young`. Each run has a separate raw file.
    """
    made = make_context(
        "retain",
        ingest={"source": "s3://bronze/inbox/weekly.csv"},
        mlflow={**mlflow_file, "name": f"model-{uuid.uuid4().hex[:12]}"},
    )
    lake, registry = made.lake, made.registry
    for number, run_id in enumerate(("young", *OLD_RUNS)):
        write_run(made, run_id, f"{number:064x}")
    champion, version = register_empty(registry, {"pipeline_run_id": "registered"})
    registry.set_alias(PRODUCTION, version)
    registry.end_run(champion)
    open_challenge(made, champion, "looked-at")
    for name in ("weekly.csv", "once.csv"):
        lake.write(layout.inbox_file(name), b"names")
    for layer in layout.LAYERS:
        set_age(made, f"{layer}/", OLD)
    for days in (91, 90):
        day = f"{NOW - timedelta(days=days):%Y-%m-%d}"
        lake.write(layout.live_traffic_object(day, "pod", 1), b"")
    for days in (-1, 0):
        lake.write(layout.ended_session(f"{NOW + timedelta(days=days):%Y-%m-%d}", "id"), b"")
    for layer in layout.LAYERS:
        set_age(made, f"{layer}/young/", NOW)
    return made


def run(context: Context, *, dry_run: bool = False) -> None:
    """Run the command."""
    retain.main(context, argparse.Namespace(dry_run=dry_run))


def list_keys(context: Context) -> list[str]:
    """The keys of all objects."""
    return [key for layer in layout.LAYERS for key in context.lake.keys(f"{layer}/")]


def find_runs(context: Context) -> set[str]:
    """The runs of which any object is left."""
    return {run_id for key in list_keys(context) if (run_id := layout.find_run(key))}


def test_what_nothing_needs_is_deleted(context: Context) -> None:
    """Only the run that nobody needs is deleted, with its raw file, old uploads and traffic."""
    before = list_keys(context)
    run(context)
    gone = {key for key in before if key not in list_keys(context)}
    old_day = f"{NOW - timedelta(days=91):%Y-%m-%d}"
    yesterday = f"{NOW - timedelta(days=1):%Y-%m-%d}"
    assert gone == {
        *(key for key in before if layout.find_run(key) == "old"),
        layout.bronze_file(f"{1:064x}"),
        layout.bronze_manifest(f"{1:064x}"),
        layout.inbox_file("once.csv"),
        layout.live_traffic_object(old_day, "pod", 1),
        layout.ended_session(yesterday, "id"),
    }
    assert find_runs(context) == {"young", *OLD_RUNS} - {"old"}


def test_a_dry_run_shows_what_and_why(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    """It deletes nothing, and prints each item with its size and reason on standard output."""
    before = list_keys(context)
    run(context, dry_run=True)
    assert list_keys(context) == before
    table = capsys.readouterr().out
    (line,) = [line for line in table.splitlines() if "| gold " in line]
    assert "run old" in line
    assert "for 180 days (MLOPS_RETENTION__RUN_DAYS)" in line
    assert "registered" not in table


def test_it_can_be_killed(context: Context, tmp_path: Path) -> None:
    """Killed at any deletion and run again, it ends the same."""
    lake = tmp_path / "lake"
    copy = tmp_path / "copy"
    shutil.copytree(lake, copy, copy_function=shutil.copy2)
    run(context)
    expected = list_keys(context)

    def run_with(faults: FaultInjector) -> None:
        shutil.rmtree(lake)
        shutil.copytree(copy, lake, copy_function=shutil.copy2)
        run(with_faults(context, faults))

    for faults in kill_points(run_with):
        with pytest.raises(Killed):
            run_with(faults)
        run(context)
        assert list_keys(context) == expected


def test_nothing_is_deleted_without_the_registry(context: Context) -> None:
    """If MLflow does not respond, nobody knows what it needs."""
    settings = context.settings.mlflow.model_copy(
        update={"tracking_uri": "http://127.0.0.1:9", "retries": 0}
    )
    before = list_keys(context)
    with pytest.raises(RegistryError):
        run(dataclasses.replace(context, registry=Registry(settings)))
    assert list_keys(context) == before


def test_days_of_zero_keep_everything(context: Context) -> None:
    """With 0 days nothing expires but what says that a session has ended."""
    retention = RetentionSettings(run_days=0, inbox_days=0)
    drift = context.settings.drift.model_copy(update={"live_retention_days": 0})
    settings = context.settings.model_copy(update={"retention": retention, "drift": drift})
    before = list_keys(context)
    run(dataclasses.replace(context, settings=settings))
    assert [key for key in before if key not in list_keys(context)] == [
        layout.ended_session(f"{NOW - timedelta(days=1):%Y-%m-%d}", "id")
    ]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("s3://school-bronze/inbox/weekly.csv", ["weekly.csv"]),
        ("s3://bronze/inbox/w*.csv", ["weekly.csv"]),
        ("/lake/bronze/inbox", ["once.csv", "weekly.csv"]),
        ("s3://bronze/inbox/", ["once.csv", "weekly.csv"]),
        ("sample", []),
    ],
)
def test_uploads_that_training_reads_are_kept(
    context: Context, source: str, kept: list[str]
) -> None:
    """A file is kept if the source is this file, its folder, or a pattern that it matches."""
    ingest = context.settings.ingest.model_copy(update={"source": source})
    settings = context.settings.model_copy(update={"ingest": ingest})
    run(dataclasses.replace(context, settings=settings))
    left = [key.rpartition("/")[2] for key in context.lake.keys(layout.BRONZE_INBOX)]
    assert left == kept


def test_raw_files_that_ingest_may_refer_to_are_kept(context: Context) -> None:
    """A raw file that no run refers to yet is kept for a day."""
    new, old = (layout.bronze_file(digit * 64) for digit in "ab")
    for key in (new, old):
        context.lake.write(key, b"rows")
    set_age(context, old, OLD)
    run(context)
    assert (context.lake.exists(new), context.lake.exists(old)) == (True, False)


def test_old_versions_and_runs_of_mlflow(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a limit, older versions leave the registry with their run, its files and its rows."""
    registry = context.registry
    run_id, version = register_empty(registry, {"pipeline_run_id": "old"})
    for number in range(2):
        register_empty(registry, {"pipeline_run_id": f"later {number}"})
    registry.log_artifacts(run_id, {"model.onnx": b"graph"})
    registry.end_run(run_id)
    run(context)
    assert "old" in find_runs(context)  # all versions are kept by default
    retention = RetentionSettings(versions=2, run_days=0)
    settings = context.settings.model_copy(update={"retention": retention})
    with registry.client() as client:
        client.delete_run(run_id)
    run(dataclasses.replace(context, settings=settings))
    assert version not in [one.number for one in registry.list_versions()]
    assert [one.number for one in registry.list_versions()] == ["1", "3", "4"]
    with pytest.raises(RegistryError, match="not found"), registry.client() as client:
        client.get_run(run_id)
    assert not list(Path(context.settings.mlflow.artifacts).rglob(f"{run_id}/**/model.onnx"))
    assert f"version {version}" in capsys.readouterr().err


def test_holdings(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    """Each layer is listed with its counts, the reason, and the day of the next deletion."""
    list_holdings(context, "--json")
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    by_reason = {(one["layer"], one["what"], one["kept"]): one for one in found}
    gold = by_reason["gold", "run", "as long as a registered model needs it"]
    assert (gold["number"], gold["objects"], gold["rows"]) == (1, 4, 6)
    silver = by_reason["silver", "run", "as long as an open challenge needs it"]
    assert (silver["rows"], silver["oldest"]) == (9, f"{OLD:%Y-%m-%d}")
    aged = by_reason["gold", "run", "for 180 days (MLOPS_RETENTION__RUN_DAYS)"]
    assert aged["next_deletion"] == f"{OLD + timedelta(days=180):%Y-%m-%d}"
    assert ("MLflow", "run", "as long as a registered model needs it") in by_reason
    assert {one["layer"] for one in found} == {*layout.LAYERS, "MLflow"} - {"models"}
    versions = by_reason["MLflow", "registered version", "kept: MLOPS_RETENTION__VERSIONS is 0"]
    assert (versions["number"], versions["oldest"]) == (1, f"{NOW:%Y-%m-%d}")
    list_holdings(context)
    assert "as long as an open challenge needs it" in capsys.readouterr().out


def list_holdings(context: Context, *options: str) -> None:
    """Run the command with these options."""
    parser = argparse.ArgumentParser()
    holdings.add_arguments(parser)
    holdings.main(context, parser.parse_args(options))


@pytest.mark.parametrize("days", [90, 0])
def test_holdings_of_airflow(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int
) -> None:
    """Its task logs have days and sizes; of its database only the retention is known."""
    for number, time in enumerate((OLD, NOW)):
        file = tmp_path / "logs" / f"run-{number}" / "attempt.log"
        file.parent.mkdir(parents=True)
        file.write_text("task")
        os.utime(file, (time.timestamp(), time.timestamp()))
    # Without its target it is listed, but has no status, like a log that is deleted meanwhile.
    (tmp_path / "logs" / "deleted.log").symlink_to("missing")
    list_holdings(context, "--json", f"--airflow-days={days}", f"--airflow-logs={tmp_path}/logs")
    listed = json.loads(capsys.readouterr().out)
    database, logs = (one for one in listed if one["layer"] == "Airflow")
    assert (database["what"], database["oldest"]) == ("runs and tasks, in its database", "")
    assert (logs["what"], logs["objects"]) == ("task logs, in the volume of its scheduler", 2)
    assert (logs["bytes"], logs["oldest"], logs["newest"]) == (
        8,
        f"{OLD:%Y-%m-%d}",
        f"{NOW:%Y-%m-%d}",
    )
    for one in (database, logs):
        forever = "kept: retention.airflowDays is 0"
        assert one["kept"] == ("for 90 days (retention.airflowDays)" if days else forever)
    expected = f"{OLD + timedelta(days=90):%Y-%m-%d}" if days else ""
    assert logs["next_deletion"] == expected


def test_all_versions_on_s3(s3_lake: LakeSettings) -> None:
    """Replaced and deleted versions are listed, and erased with the object."""
    lake = open_lake(s3_lake)
    client: Any = s3_client(s3_lake)
    client.put_bucket_versioning(
        Bucket=bucket_name("bronze", s3_lake.bucket_prefix),
        VersioningConfiguration={"Status": "Enabled"},
    )
    key = layout.bronze_file("a" * 64)
    lake.write(key, b"first")
    lake.write(key, b"second one")
    lake.delete(key)
    found = lake.all_versions("bronze/")
    assert [(one.size, one.is_current, one.is_marker) for one in found] == [
        (0, True, True),
        (10, False, False),
        (5, False, False),
    ]
    for one in found:
        lake.erase(one.key, one.version)
    assert lake.all_versions("bronze/") == []


def test_the_identity_may_erase_every_object_of_a_run() -> None:
    """On the cluster the object store refuses any other deletion."""
    access = SERVICES["retention"].access
    of_a_run = [key for key in KEYS if layout.find_run(key)]
    assert [key for key in of_a_run if not access.allows("erases", key)] == []
    erased = [key for key in KEYS if access.allows("erases", key)]
    assert not any(key.startswith((layout.MODELS_PREFIX, layout.PROMOTION_LOG)) for key in erased)
    assert not any(key.startswith(layout.PROMOTION_RECORDS) for key in erased)
