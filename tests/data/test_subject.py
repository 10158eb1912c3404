"""subject: everything that is held of a person is found, and erased for good."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import random
import re
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline.data.pseudonyms import Pseudonyms
from tests.support.byte_search import find_needles
from tests.support.own_table import run_program

COLUMNS = """
subject: visitor
subjects: visitors
features:
  - kind: number
    name: spend
    raw: Spend
    low: 0
    high: 1000
    typical: [0, 900]
    step: 0.001
    unit: EUR
    description: Money spent
    example: 10
label:
  name: lost
  raw: Result
  positive_raw: lost
  negative_raw: kept
  positive: lost
  negative: kept
  rate: 0.3
  description: Whether the visitor was lost
key: {name: person, raw: Card}
groups:
  - {name: tutor, raw: Tutor}
"""
HEADER = ["Card", "Tutor", "Spend", "Result"]
CANARIES = 20
PERSONS = 240
REJECTED = "vanished-7"
"""An outcome that the columns file does not have, of a canary."""
OUTSIDE = "931.417"
"""A value of a canary in a list to score that no model learned from."""
ARTIFACT_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's database with the place of artifacts."""

TRAIN = """
from pipeline.model import training
from pipeline.model.candidates import CANDIDATES
training.make_candidates = lambda *_: CANDIDATES[:1]  # trains quickly
from pipeline.__main__ import main
from pipeline.context import open_context
from pipeline.model.bundle import Bundle, write_fallback
from pipeline.settings import Settings
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.layout import train_report

for stage in ("ingest", "preprocess", "features", "train"):
    assert main([stage, "--run-id", "first"]) == 0, stage
context = open_context(Settings.load(), "first")
report = context.lake.read_model(train_report("first"), TrainReport)
assert not report.ranking  # one candidate is not compared
tags = {"pipeline_run_id": "first"}
context.registry.register(report.model_uri, report.mlflow_run_id, tags)
assert main(["evaluate", "--run-id", "first"]) == 0
bundle = context.registry.get_bundle(report.mlflow_run_id)
manifest = bundle.manifest.model_copy(update={"version": "1"})
write_fallback(context.lake, Bundle(manifest, bundle.files))
assert main(["score", "--run-id", "first"]) == 0
"""
ERASE = """
import sys
from pipeline.__main__ import main
from pipeline.commands import history, subject
from pipeline.storage.access import SERVICES
from tests.support.lake_access import guard

for command in (history, subject):
    command.main = guard("erasure", SERVICES["erasure"].access, command.main)
for arguments in (["show", sys.argv[1]], ["show", sys.argv[1], "--json"]):
    assert main(["subject", *arguments]) == 0
print("end of the rows")
assert main(["subject", "erase", *sys.argv[1:]]) == 0
# The file still has the canaries; and earlier objects verify, although their hashes changed.
assert main(["ingest", "--run-id", "second"]) == 0
assert main(["features", "--run-id", "first"]) == 0
assert main(["history", "--verify"]) == 0
"""


def get_key(number: int) -> str:
    """The key of a canary."""
    return f"CANARY-{number:02}"


def get_spend(number: int) -> float:
    """A value that only one canary has."""
    return round(500.137 + 11.013 * number + 0.007 * (number**2 % 23), 3)


def write_table(path: Path) -> None:
    """Write visitors, some of whom are canaries; two rows of canaries will be rejected."""
    generator = random.Random(1)
    rows = []
    for person in range(PERSONS):
        spend = round(generator.uniform(0, 400), 3)
        result = "lost" if generator.random() < (0.8 if spend < 100 else 0.1) else "kept"
        rows.append([f"CARD-{person:04}", generator.choice("AB"), spend, result])
    for number in range(CANARIES):
        result = generator.choice(["kept", "lost"])
        rows.append([get_key(number), f"Tutor-canary-{number:02}", get_spend(number), result])
    rows.append([get_key(0), "A", "1", REJECTED])
    generator.shuffle(rows)
    rows.append([get_key(1), "A", "Tutor-canary-01", "kept"])  # a name in the column of a number
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


def write_list(path: Path) -> None:
    """Write a list of canaries to score: one is rejected, and one has a warning."""
    rows = [[get_key(number), get_spend(number)] for number in range(CANARIES)] * 2
    rows += [[get_key(0), "Tutor-canary-00"], [get_key(1), OUTSIDE]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["Card", "Spend"], *rows])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake and a registry, after a training on the table, with live traffic."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "visitors.columns.yaml").write_text(COLUMNS)
    write_table(folder / "visitors.csv")
    lists = folder / "lake/bronze/scoring"
    lists.mkdir(parents=True)
    write_list(lists / "class.csv")
    log = run_program(folder, "visitors", TRAIN)
    (folder / "local/task.log").write_text(log)
    shutil.copy(folder / "visitors.csv", lists / "waiting.csv")
    inbox = folder / "lake/bronze/inbox"
    inbox.mkdir()
    shutil.copy(folder / "visitors.csv", inbox / "refused.csv")
    shutil.copy(folder / "visitors.csv", folder / "source.csv")
    live = folder / "lake/silver/live/2026-01-01/pod-1.jsonl.gz"
    live.parent.mkdir(parents=True)
    lines = [
        json.dumps({"at": "2026-01-01T00:00:00+00:00", "version": "1", "spend": spend})
        for spend in (*map(get_spend, range(CANARIES)), 12.5)
    ]
    live.write_bytes(gzip.compress("\n".join(lines).encode()))
    for place in ("reports", "reports/check"):  # the latest drift report, and that of a run
        report = {"run_id": "check", "reference": {"splits": {"gold/first/train.parquet": "hash"}}}
        (folder / "lake" / place).mkdir(exist_ok=True)
        (folder / "lake" / place / "drift_report.json").write_text(json.dumps(report))
        (folder / "lake" / place / "drift_report.html").write_text(f"[{get_spend(5):.3f}]")
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder, whose registry has its own artifacts."""
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy, copy_function=shutil.copy2)
    with contextlib.closing(sqlite3.connect(copy / "local/mlflow.db")) as database, database:
        for table, column in ARTIFACT_LOCATIONS:
            update = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            database.execute(update, (str(trained), str(copy)))
    return copy


def list_stored(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the lake, of MLflow's artifacts and its database."""
    for path in sorted([*(folder / "lake").rglob("*"), *(folder / "local").rglob("*")]):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def find_canaries(folder: Path, canaries: range) -> dict[str, set[str]]:
    """Return which files have a key, pseudonym, tutor or value of canaries, and which of them."""
    pseudonyms = Pseudonyms((folder / "key_secret").read_text())
    needles: dict[bytes, str] = {text.encode(): text for text in (REJECTED, OUTSIDE)}
    for number in canaries:
        spend = get_spend(number)
        texts = [get_key(number), pseudonyms.make(get_key(number)), f"Tutor-canary-{number:02}"]
        numbers = [struct.pack("<d", spend), struct.pack("<f", spend)]
        needles |= {text.encode(): text for text in [*texts, f"{spend:.3f}"]}
        needles |= dict.fromkeys(numbers, f"binary {spend:.3f}")
    return find_needles(list_stored(folder), needles)


def test_every_canary_is_erased(folder: Path) -> None:
    """A byte search finds no key, pseudonym, name or value of 20 persons, in any file."""
    before = find_canaries(folder, range(CANARIES))
    assert len(before) > 8, "the canaries are not where they are expected"
    output = run_program(folder, "visitors", ERASE, *map(get_key, range(CANARIES)))
    assert find_canaries(folder, range(CANARIES)) == {}
    assert_shown(output)
    assert output.count("subject: erased") == CANARIES
    assert "versions trained on the rows: 1" in output
    assert f"{CANARIES + 2} rows of erased persons are left out" in output
    assert re.search(r"history: \d+ tombstones of erased rows, signed", output)
    for key in ("gold/first/train.parquet", "silver/first/rejected.csv"):
        assert re.search(rf"history: {key}: rows erased on \d{{4}}-\d\d-\d\d\n", output)
    others = pd.read_parquet(folder / "lake/silver/first/rows.parquet")
    assert len(others) == PERSONS
    evaluation = json.loads((folder / "lake/reports/first/evaluation.json").read_text())
    tutors = [one["name"] for one in evaluation["groups"] if one["name"].startswith("tutor")]
    assert tutors == ["tutor A", "tutor B", "tutor (small groups)"]
    card = (folder / "lake/reports/first/model_card.md").read_text()
    assert "Groups of fewer than 10 visitors (MLOPS_CARD__MIN_GROUP_SIZE)" in card
    live = (folder / "lake/silver/live/2026-01-01/pod-1.jsonl.gz").read_bytes()
    assert gzip.decompress(live).count(b"\n") == 1


def test_nothing_that_outlives_an_erasure_has_a_value(trained: Path) -> None:
    """Task logs and predictions have the column, the rule and the row, and no value of a row."""
    log = (trained / "local/task.log").read_text()
    (scores,) = (trained / "lake/silver/scores").rglob("predictions.csv")
    predictions = scores.read_text()
    for text in (log, predictions):
        assert re.search(r"'Spend' must be a number", text)
    assert "spend is outside" in predictions
    assert "new values of 'Result' in at least 1 rows" in " ".join(log.split())
    found = find_canaries(trained, range(CANARIES))
    assert REJECTED in found["lake/reports/source_changes.json"]
    assert not {name for name in found if "task.log" in name or "/scores/" in name}


def assert_shown(output: str) -> None:
    """Check that every object with rows of the first canary was listed, and the rows."""
    table, _, rest = output.partition("\n[")
    for place in (
        "bronze/inbox/refused.csv",
        "bronze/scoring/waiting.csv",
        "silver/first/rejected.csv",
        "silver/first/rows.parquet",
        "silver/live/2026-01-01/pod-1.jsonl.gz",
    ):
        assert f"| {place} " in table
    assert re.search(r"bronze/[0-9a-f]{64}\.csv", table)
    assert re.search(r"gold/first/(train|validation|test)\.parquet", table)
    rows = rest.partition("end of the rows")[0]
    assert str(get_spend(0)) in rows
    assert get_key(1) not in rows


KILL = """
import pathlib, shutil, sys
from pipeline.context import open_context
from pipeline.data.pseudonyms import open_pseudonyms
from pipeline.erasure.erase import erase
from pipeline.erasure.person import find_person
from pipeline.settings import Settings
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults

lake, backup, key = pathlib.Path("lake"), pathlib.Path("backup"), sys.argv[1]
context = open_context(Settings.load(), "erase")
pseudonyms = open_pseudonyms(context.settings)
person = find_person(key, pseudonyms)
shutil.copytree(lake, backup, copy_function=shutil.copy2)


def start_again():
    shutil.rmtree(lake)
    shutil.copytree(backup, lake, copy_function=shutil.copy2)


def read_all():
    files = {str(path): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    # A tombstone has the time of its erasure.
    return {name: "/erased/" in name or data for name, data in files.items()}


def run(faults):
    start_again()
    erase(with_faults(context, faults), person, pseudonyms)


run(FaultInjector())
expected, kills = read_all(), 0
assert not any(key.encode() in data for data in expected.values() if data is not True)
for faults in kill_points(run):
    try:
        run(faults)
    except Killed:
        kills += 1
    result = erase(context, person, pseudonyms)
    assert read_all() == expected, faults.at
    assert [version.number for version in result.retrain] == ["1"]
print("kills", kills)
"""


def find_trained(folder: Path) -> int:
    """A canary with a row that the model was fitted on."""
    trained = pd.read_parquet(folder / "lake/gold/first/train.parquet")
    tutor = next(name for name in sorted(set(trained["tutor"])) if "canary" in name)
    return int(tutor[-2:])


def test_it_can_be_killed(folder: Path) -> None:
    """Killed at any write and run again, it ends the same; the model is still to be retrained."""
    output = run_program(folder, "visitors", KILL, get_key(find_trained(folder)))
    assert output.endswith("kills 5\n")


INTERLEAVE = """
import sys
from pipeline.__main__ import main
from pipeline.context import open_context
from pipeline.data.pseudonyms import open_pseudonyms
from pipeline.erasure.erase import erase
from pipeline.erasure.person import find_person
from pipeline.errors import LakeError
from pipeline.settings import Settings
from pipeline.stages import features
from pipeline.storage.exclusion import exclude_erasures
from tests.support.faults import FaultInjector, with_faults

context = open_context(Settings.load(), "first")
pseudonyms = open_pseudonyms(context.settings)
people = [find_person(key, pseudonyms) for key in sys.argv[1:]]
results = []


class Interrupter(FaultInjector):
    def __init__(self, begin):
        self.begin = begin

    def wrap(self, write):
        def interrupted(*arguments, **options):
            results.append(self.begin())
            result = write(*arguments, **options)
            results.append(self.begin())
            return result

        return interrupted


def begin_erasure():
    try:
        erase(context, people[0], pseudonyms)
    except LakeError as error:
        return str(error)


with exclude_erasures(context.lake, "features", "first"):
    features.run(with_faults(context, Interrupter(begin_erasure)))
assert len(results) >= 8
for result in results:
    assert "marks features of the run first as running since 20" in result, result
assert not context.lake.keys("bronze/erased/")
assert not erase(context, people[0], pseudonyms).left

results.clear()
begin_stage = Interrupter(lambda: main(["features", "--run-id", "first"]))
assert not erase(with_faults(context, begin_stage), people[1], pseudonyms).left
# The stage may run before the erasure is marked as running, and when the mark is deleted.
assert (results[0], results[-1]) == (0, 0) and set(results[1:-1]) == {1}, results
"""


def test_no_stage_runs_during_an_erasure(folder: Path) -> None:
    """At any write of a stage an erasure is refused, and at any write of an erasure a stage is."""
    output = run_program(folder, "visitors", INTERLEAVE, get_key(1), get_key(2))
    assert "so features did not start: it could write rows of the person again" in output
    assert set().union(*find_canaries(folder, range(1, 3)).values()) == {REJECTED}  # another's


EARLIER_BUNDLE = """
import json, pathlib, sys
from pipeline.__main__ import main
from pipeline.context import open_context
from pipeline.settings import Settings
from pipeline.tracking.registry import MANIFEST_TAG

key, spend = sys.argv[1], float(sys.argv[2])
registry = open_context(Settings.load(), "erase").registry
(path,) = pathlib.Path("local").rglob("serving/manifest.json")
manifest = json.loads(path.read_text())
assert manifest.pop("has_no_rows")
manifest["examples"]["inputs"][0] = [spend]
path.write_text(json.dumps(manifest))
registry.set_tag("1", MANIFEST_TAG, "hash")
assert main(["holdings"]) == 0
erase = ["subject", "erase", key]
registry.set_alias("production", "1")
assert main([*erase, "--delete-previous"]) == 1
# The rows by which the bundle was found are erased, and it is found again.
registry.delete_alias("production")
registry.set_alias("previous", "1")
assert main(erase) == 1
assert registry.get_by_alias("previous").number == "1"
assert main([*erase, "--delete-previous"]) == 0
assert not registry.list_versions() and registry.get_by_alias("previous") is None
assert not path.exists()
"""


def test_bundles_of_earlier_releases_are_erased(folder: Path) -> None:
    """The one in production is named with what to do; others are deleted on request."""
    number = find_trained(folder)
    program = run_program(
        folder, "visitors", EARLIER_BUNDLE, get_key(number), str(get_spend(number))
    )
    output = " ".join(program.split())
    assert "rows in the bundle of version 1" in output
    start = "the bundle of version 1, which is `{}`, has rows of the person"
    assert start.format("production") in output
    assert "promote another model (`python -m pipeline run`), then add --delete" in output
    assert start.format("previous") in output
    assert (
        find_canaries(folder, range(number, number + 1)).keys()
        <= find_canaries(folder, range(0)).keys()
    )
