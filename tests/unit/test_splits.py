"""Splits of tables in parts: exact, and the same for any parts and any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.column_file.roles import Time
from pipeline.columns import LABEL
from pipeline.compute import constants, workers
from pipeline.compute.parts import run_parts
from pipeline.context import Context
from pipeline.errors import DataError, LakeError
from pipeline.settings.connections import LakeSettings
from pipeline.settings.data import FeaturesSettings
from pipeline.splits.bounds import find_bounds
from pipeline.splits.distinct import merge_distinct
from pipeline.splits.plan import Plan, SplitOptions, plan_splits, split_evenly
from pipeline.splits.rows import DecidingColumns
from pipeline.splits.sketch import Sketch, merge_sketches
from pipeline.splits.write import WrittenPart, list_stripes, write_stripe
from pipeline.storage.artifacts.data import PartFacts, hash_table
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import SPLITS, gold_array, silver_rows_part
from pipeline.storage.tables import TablePart, locate_parts, read_part
from tests.support.parts import DaskProcesses, dask_processes
from tests.support.table_parts import write_parts

ROWS = 6_000
PERSONS = 900
TERM, DAY = Time("term", "Term"), Time("day", "Day")
COLUMNS = {
    "plain": DecidingColumns(),
    "key": DecidingColumns(unit_names=("person",)),
    "groups": DecidingColumns(unit_names=("person", "tutor")),
    "time": DecidingColumns(TERM),
    "days": DecidingColumns(DAY),
    "key and time": DecidingColumns(TERM, ("person",)),
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(LakeSettings(url=f"file://{tmp_path}"))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Rows with persons in three terms, whose tutors differ; some rows have no tutor."""
    random = np.random.default_rng(1)
    person = random.integers(PERSONS, size=ROWS)
    tutor = [f"T{one // 9:03}" if random.random() < 0.7 else None for one in person]
    columns = {
        "row": np.arange(ROWS),
        LABEL.name: (random.random(ROWS) < 0.1).astype(np.int64),
        "person": [f"P{one:04}" for one in person],
        "tutor": tutor,
        "term": [f"2025-{one}" for one in random.integers(1, 4, ROWS)],
        "day": [f"2025-09-{one:02}" for one in random.integers(1, 21, ROWS)],
    }
    return pa.table(columns)


def write_silver(lake: Lake, table: pa.Table, part_rows: int) -> list[TablePart]:
    """Write a table as parts of silver."""
    get_key = partial(silver_rows_part, str(part_rows))
    return locate_parts(write_parts(lake, table, part_rows, get_key))


def run_in_threads(
    lake: Lake, threads: int, function: Callable[..., Any], parts: Any, **constants: Any
) -> Iterator[Any]:
    with ThreadPoolExecutor(threads) as executor:
        yield from executor.map(lambda part: function(lake, part, **constants), parts)


def split(
    lake: Lake, parts: list[TablePart], columns: DecidingColumns, threads: int = 1, seed: int = 7
) -> Plan:
    options = SplitOptions(columns, FeaturesSettings(), seed, listed_rows=100)
    return plan_splits(lake, parts, options, partial(run_in_threads, lake, threads))


def write_gold(
    lake: Lake, parts: list[TablePart], plan: Plan, run_id: str = "run", threads: int = 1
) -> dict[str, list[PartFacts]]:
    """Write gold in stripes of 1,700 rows."""
    stripes = run_in_threads(
        lake,
        threads,
        write_stripe,
        list_stripes(run_id, parts, plan, 1_700),
        rule=plan.rule,
        columns=plan.columns,
        sketch_size=1_000,
    )
    return collect(part for stripe in stripes for part in stripe)


def collect(written: Iterable[WrittenPart]) -> dict[str, list[PartFacts]]:
    """Return the parts of each split."""
    found: dict[str, list[PartFacts]] = {name: [] for name in SPLITS}
    for part in written:
        found[SPLITS[part.split]].append(part.facts)
    return found


def read_gold(lake: Lake, gold: dict[str, list[PartFacts]]) -> dict[str, pd.DataFrame]:
    return {
        name: pa.concat_tables([read_part(lake, part) for part in parts]).to_pandas()
        for name, parts in gold.items()
    }


@pytest.mark.parametrize("name", COLUMNS)
def test_gold_depends_on_neither_parts_nor_threads(lake: Lake, table: pa.Table, name: str) -> None:
    """The hashes of all splits are the same for three sizes of silver's parts and 1, 2, 8 threads.

    Every row is in one split at most, in the order of the file.
    """
    hashes = set()
    for part_rows, threads in ((ROWS, 1), (1_700, 2), (413, 8), (413, 1)):
        parts = write_silver(lake, table, part_rows)
        plan = split(lake, parts, COLUMNS[name], threads)
        gold = write_gold(lake, parts, plan, threads=threads)
        hashes.add(tuple(hash_table(facts) for facts in gold.values()))
        assert len({len(facts) for facts in gold.values()}) == 1 < len(gold["train"])
        assert len({facts.rows for facts in gold["train"][:-1]}) == 1
    assert len(hashes) == 1
    frames = read_gold(lake, gold)
    rows = np.concatenate([frame["row"] for frame in frames.values()])
    assert np.unique(rows).size == rows.size == ROWS - plan.counts[:, 3].sum()
    assert all(frame["row"].is_monotonic_increasing for frame in frames.values())
    left_out = {"key and time"}
    assert (rows.size < ROWS) == (name in left_out)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler with a worker."""
    with dask_processes(tmp_path_factory.mktemp("dask")) as processes:
        yield processes


def test_workers_give_the_same_gold(
    dask: DaskProcesses,
    make_context: Callable[..., Context],
    table: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One worker, two workers and this process write parts with the same hashes.

    The persons and groups that decide about rows of other parts pass through the lake.
    """
    monkeypatch.setattr(constants, "ARRAY_BYTES", 1_000)
    context = make_context(lake={"url": dask.lake_url}, dask=dask.settings)
    array_key = Mock(side_effect=partial(gold_array, "run-1"))
    lake, run = context.lake, partial(run_parts, context=context, array_key=array_key)
    parts = write_silver(lake, table, 3_100)
    expected = {
        name: write_gold(lake, parts, split(lake, parts, columns), "here")
        for name, columns in COLUMNS.items()
    }
    for workers_count in (1, 2):
        for name, columns in COLUMNS.items():
            options = SplitOptions(columns, FeaturesSettings(), 7, listed_rows=100)
            array_key.reset_mock()
            plan = plan_splits(lake, parts, options, run)
            stripes = run(
                write_stripe,
                list_stripes(name, parts, plan, 1_700),
                rule=plan.rule,
                columns=plan.columns,
                sketch_size=1_000,
            )
            found = collect(part for stripe in stripes for part in stripe)
            for split_name in SPLITS:
                assert hash_table(found[split_name]) == hash_table(expected[name][split_name])
            assert array_key.called == (name in {"key", "groups", "key and time"})
        if workers_count == 1:
            dask.start_worker("two")
            client = workers.connect(context.settings.dask)
            client.wait_for_workers(2, timeout=60)


def test_a_plain_table_is_split_exactly(lake: Lake, table: pa.Table) -> None:
    """Each split has its number of rows and, to a row, its fraction of the positive rows."""
    parts = write_silver(lake, table, 1_700)
    frames = read_gold(lake, write_gold(lake, parts, split(lake, parts, COLUMNS["plain"])))
    assert [len(frames[name]) for name in SPLITS] == [3_600, 900, 1_500]
    rate = table[LABEL.name].to_numpy().mean()
    for frame in frames.values():
        assert abs(frame[LABEL.name].sum() - rate * len(frame)) <= 1
    other = write_gold(lake, parts, split(lake, parts, COLUMNS["plain"], seed=8), "other")
    assert not read_gold(lake, other)["test"].equals(frames["test"])


@pytest.mark.parametrize("name", ["key", "groups"])
def test_units_stay_together(lake: Lake, table: pa.Table, name: str) -> None:
    """No person and no group is in two splits; gold has a number for each unit."""
    parts = write_silver(lake, table, 1_700)
    frames = read_gold(lake, write_gold(lake, parts, split(lake, parts, COLUMNS[name])))
    for column in COLUMNS[name].unit_names:
        values = [set(frame[column].dropna()) for frame in frames.values()]
        assert len(set.union(*values)) == sum(map(len, values))
    whole = pd.concat(frames.values())
    if name == "key":
        assert whole.groupby(SPLIT_UNIT)["person"].nunique().max() == 1
        assert whole[SPLIT_UNIT].nunique() == whole["person"].nunique()
    assert whole.groupby("person")[SPLIT_UNIT].nunique().max() == 1


def test_units_are_balanced(lake: Lake) -> None:
    """Of many units, each split has its fraction of each class to a 2000th of its rows."""
    random, rows = np.random.default_rng(2), 120_000
    person = random.integers(20_000, size=rows)
    labels = (random.random(rows) < 0.05 + 0.3 * (person % 7 == 0)).astype(np.int64)
    table = pa.table({LABEL.name: labels, "person": [f"P{one}" for one in person]})
    plan = split(lake, write_silver(lake, table, 50_000), COLUMNS["key"])
    counts = plan.counts.sum(axis=0)[:3]
    expected = np.outer((0.6, 0.15, 0.25), np.bincount(labels))
    assert (np.abs(counts - expected) <= np.bincount(labels) / 2_000).all()


def test_the_newest_rows_are_tested(lake: Lake, table: pa.Table) -> None:
    """A whole term, or whole days; the next older ones are the validation split."""
    parts = write_silver(lake, table, 1_700)
    frames = read_gold(lake, write_gold(lake, parts, split(lake, parts, COLUMNS["time"])))
    assert [set(frames[name]["term"]) for name in SPLITS] == [{"2025-1"}, {"2025-2"}, {"2025-3"}]
    frames = read_gold(lake, write_gold(lake, parts, split(lake, parts, COLUMNS["days"]), "days"))
    days = [day for name in SPLITS for day in sorted(frames[name]["day"].unique())]
    assert days == [f"2025-09-{day:02}" for day in range(1, 21)]
    assert 1_500 <= len(frames["test"]) < 1_500 + 400
    parts = write_silver(lake, table.filter(pa.compute.not_equal(table["term"], "2025-2")), 999)
    plan = split(lake, parts, COLUMNS["time"])  # one older term, which is split by hashes
    frames = read_gold(lake, write_gold(lake, parts, plan, "two"))
    assert [set(frames[name]["term"]) for name in SPLITS] == [{"2025-1"}, {"2025-1"}, {"2025-3"}]
    older = len(frames["train"]) + len(frames["validation"])
    assert len(frames["validation"]) == np.ceil(0.2 * older)


def test_persons_of_the_newest_term_are_tested_only(lake: Lake, table: pa.Table) -> None:
    """Their older rows are in no split."""
    parts = write_silver(lake, table, 1_700)
    frames = read_gold(lake, write_gold(lake, parts, split(lake, parts, COLUMNS["key and time"])))
    assert set(frames["test"]["term"]) == {"2025-3"}
    tested = set(frames["test"]["person"])
    older = pd.concat([frames["train"], frames["validation"]])
    assert tested.isdisjoint(older["person"])
    rows = table.to_pandas()
    assert len(older) == (~rows["person"].isin(tested)).sum()


def test_too_few_rows_of_a_class(lake: Lake, table: pa.Table) -> None:
    """As for a small table, whichever way it is split."""
    rare = np.zeros(ROWS, np.int64)
    for positives, message in (
        (0, "none of the 6,000 rows is labelled 'fail'"),
        (3, r"3 fail\) are too few"),
    ):
        rare[:positives] = 1
        changed = table.set_column(1, LABEL.name, pa.array(rare))
        for name in ("plain", "key", "time"):
            with pytest.raises(DataError, match=message):
                split(lake, write_silver(lake, changed, 1_700), COLUMNS[name])
    same = table.set_column(4, "term", pa.array(["2025-1"] * ROWS))
    with pytest.raises(DataError, match=r"all 6,000 rows are of the term '2025-1' \('Term'\)"):
        split(lake, write_silver(lake, same, 1_700), COLUMNS["time"])


def test_changed_rows_are_refused(lake: Lake, table: pa.Table) -> None:
    """A part that was modified, and one whose rows differ from those that were counted."""
    parts = write_silver(lake, table, 1_700)
    plan = split(lake, parts, COLUMNS["plain"])
    plan.counts[0, 0, 0] += 1
    with pytest.raises(LakeError, match=r"has \d+ rows for the split train, but \d+ were counted"):
        write_gold(lake, parts, plan)
    lake.write(parts[1].facts.key, lake.read(parts[0].facts.key))
    with pytest.raises(LakeError, match="has the hash"):
        split(lake, parts, COLUMNS["plain"])


def test_a_window_that_misses_its_bound_is_widened(lake: Lake, table: pa.Table) -> None:
    """So the bounds are exact, however unlikely the hashes are."""
    parts = write_silver(lake, table, 1_700)
    plan, narrow = (split(lake, parts, COLUMNS["plain"]).rule, [])
    totals = np.bincount(table[LABEL.name].to_numpy())
    test = split_evenly(totals, 0.25)
    ranks = np.column_stack([test, test + split_evenly(totals - test, 0.2)])

    def rank(windows: Any) -> Iterator[Any]:
        from pipeline.splits.passes import Wanted, rank_rows

        narrow.append(windows)
        return (
            rank_rows(lake, part, columns=DecidingColumns(), wanted=Wanted(7, windows))
            for part in parts
        )

    bounds, below = find_bounds(totals, ranks, rank, deviations=0.001)
    assert len(narrow) > 1
    assert (bounds == plan.bounds).all()  # type: ignore[attr-defined]
    assert (below.sum(axis=0) == ranks).all()


def test_distinct_values_of_parts_are_merged() -> None:
    """Whether they wait for others or not; values and pairs of values."""
    hashes = np.random.default_rng(0).integers(0, 500, 2_000, dtype=np.uint64)
    for values, axis in ((hashes, None), (hashes.reshape(-1, 2) % np.uint64(9), 0)):
        expected = np.unique(values, axis=axis)
        for merge_values in (1, 100, 10_000):
            found = merge_distinct(np.array_split(values, 17), merge_values)
            assert np.array_equal(found, expected)


def test_distinct_values_are_counted() -> None:
    """Exactly if they are few, else with a small error; merging does not change the result."""
    hashes = np.random.default_rng(0).integers(0, 1 << 63, 40_000, dtype=np.uint64) * np.uint64(2)
    few = Sketch.of(np.repeat(hashes[:50], 3), 64)
    assert (few.count(), few.count_shared(Sketch.of(hashes[45:60], 64))) == (50, 5)
    many = merge_sketches([Sketch.of(part, 4_096) for part in (hashes[:30_000], hashes)], 4_096)
    assert many.count() == pytest.approx(40_000, rel=0.05)
    assert (many.hashes == Sketch.of(hashes, 4_096).hashes).all()
