"""A raw file that is validated in parts gives the results of a file that is not divided."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.compute import plan
from pipeline.context import Context
from pipeline.data import blocks, silver
from pipeline.data.synthetic import generate_csv
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.artifacts.data import BronzeManifest, GoldManifest, SilverManifest
from pipeline.storage.parquet import from_parquet
from tests.support.parts import dask_processes

MakeContext = Callable[..., Context]
HEADER, *ROWS = generate_csv(1_000, 7).decode().splitlines()
ROWS[150:150] = ["", "31,1,99,0,2.1,1", "", ""]
ROWS[300:300] = ['31,1,"6.8\n",0,2.1,1', '31,1,"\n\n",0,2.1,1', "31,7,6.8,0,2.1,1"]
ROWS[900:900] = ["31,1,much,0,2.1,1", "31,1,99,0,2.1,1"]
SOURCE = "\n".join([HEADER, *ROWS, "", ""])
PART_BYTES = 4096


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts end with the block that reaches their size."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_count_cores", lambda: 2)


def ingest_source(make_context: MakeContext, tmp_path: Path, **sections: Any) -> Context:
    """Store SOURCE in bronze, in parts of PART_BYTES."""
    source = tmp_path / "source.csv"
    if not source.exists():
        source.write_text(SOURCE)
    given = {"source": str(source), "part_bytes": PART_BYTES}
    sections["ingest"] = given | sections.get("ingest", {})
    context = make_context(sections.pop("run_id", "run-1"), **sections)
    ingest.run(context)
    return context


def read_silver(context: Context) -> SilverManifest:
    return context.lake.read_model(f"silver/{context.run_id}/manifest.json", SilverManifest)


def read_results(context: Context) -> list[Any]:
    """All that `preprocess` and `features` found in SOURCE."""
    lake, prefix = context.lake, f"silver/{context.run_id}"
    manifest = read_silver(context)
    parts = manifest.list_parts(context.run_id)
    rows = pd.concat([from_parquet(lake.read(part.key, part.sha256)) for part in parts])
    assert [part.rows for part in parts] == [
        len(from_parquet(lake.read(part.key))) for part in parts
    ]
    rejected = [
        pd.read_csv(io.BytesIO(lake.read(key)), dtype=str)
        for key in lake.keys(f"{prefix}/rejected")
    ]
    gold = lake.read_model(f"gold/{context.run_id}/manifest.json", GoldManifest)
    return [
        rows.to_dict("list"),
        pd.concat(rejected).to_dict("list"),
        (manifest.rows, manifest.rejected, manifest.blanks),
        {name: facts.sha256 for name, facts in gold.splits.items()},
        lake.read(f"reports/{context.run_id}/data_check.json"),
        lake.read("reports/source_changes.json").replace(context.run_id.encode(), b""),
    ]


@pytest.mark.usefixtures("two_threads")
def test_parts_of_any_size_give_the_same_results(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, rejected rows with their numbers, the data check, gold: also if values have breaks."""
    found, counts = [], []
    for part_bytes, block_bytes in ((1 << 25, 1 << 20), (8_192, 1 << 20), (4_096, 300)):
        monkeypatch.setattr(silver, "BLOCK_BYTES", block_bytes)
        context = ingest_source(
            make_context,
            tmp_path,
            run_id=f"run-{part_bytes}",
            ingest={"part_bytes": part_bytes},
            lake={"url": f"file://{tmp_path}/{part_bytes}"},
        )
        preprocess.run(context)
        features.run(context)
        counts.append(len(read_silver(context).list_parts(context.run_id)))
        found.append(read_results(context))
    assert counts == [1, 3, 5]
    assert found[0] == found[1] == found[2]
    assert found[0][1]["row"] == ["151", "299", "300", "898", "899"]
    assert found[0][2] == (1_001, 5, {})


def test_the_log_says_how_the_parts_are_handled(
    make_context: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And where the rejected rows of several parts are."""
    monkeypatch.setattr(plan, "_count_cores", lambda: 3)
    context = ingest_source(make_context, tmp_path)
    preprocess.run(context)
    printed = capsys.readouterr().err
    assert "preprocess: in this process, in 5 parts, 3 at a time" in printed
    assert "rejected/00000.csv and 2 more there" in printed


def test_workers_write_the_same_silver(make_context: MakeContext, tmp_path: Path) -> None:
    """Part by part, with the same hashes, and global numbers of rejected rows."""
    alone = ingest_source(make_context, tmp_path)
    preprocess.run(alone)
    with dask_processes(tmp_path) as processes:
        context = make_context("run-2", dask=processes.settings)
        context.lake.write("bronze/runs/run-2.json", context.lake.read("bronze/runs/run-1.json"))
        preprocess.run(context)
    assert read_silver(context).sha256 == read_silver(alone).sha256
    for key in alone.lake.keys("silver/run-1/rejected/"):
        assert context.lake.read(key.replace("run-1", "run-2")) == alone.lake.read(key)


def test_a_file_of_an_earlier_release(make_context: MakeContext, tmp_path: Path) -> None:
    """It has no list of its parts, and is divided when it is validated."""
    context = ingest_source(make_context, tmp_path)
    (key,) = [key for key in context.lake.keys("bronze/") if key.endswith(".csv")]
    manifest = key.replace(".csv", ".json")
    recorded = context.lake.read_model(manifest, BronzeManifest)
    assert len(recorded.parts) == 5
    preprocess.run(context)
    expected = read_silver(context).sha256
    context.lake.delete(manifest)
    preprocess.run(context)
    assert read_silver(context).sha256 == expected


def test_two_runs_at_once(make_context: MakeContext, tmp_path: Path) -> None:
    """Of the same source, and even with the same id: each ends with the whole table."""

    def run(run_id: str) -> tuple[str, ...]:
        context = ingest_source(make_context, tmp_path, run_id=run_id)
        preprocess.run(context)
        features.run(context)
        gold = context.lake.read_model(f"gold/{run_id}/manifest.json", GoldManifest)
        return read_silver(context).sha256, *(facts.sha256 for facts in gold.splits.values())

    (tmp_path / "source.csv").write_text(SOURCE)
    with ThreadPoolExecutor(3) as executor:
        hashes = list(executor.map(run, ["run-1", "run-2", "run-2"]))
    assert len(set(hashes)) == 1
    assert read_parts(make_context("run-2")) == read_parts(make_context("run-1"))


def read_parts(context: Context) -> list[bytes]:
    return [
        context.lake.read(part.key, part.sha256)
        for part in read_silver(context).list_parts(context.run_id)
    ]
