"""Tables that are read in parts, whole or as a random sample."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.errors import DataError, LakeError
from pipeline.evaluation.datasets import drop_training_rows, read_split
from pipeline.model.bundle import Lineage
from pipeline.model.training_data import read_training_data
from pipeline.settings.connections import LakeSettings
from pipeline.storage.artifacts.data import GoldManifest, PartFacts, SplitFacts, hash_table
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import gold_manifest, gold_split_part
from pipeline.storage.samples import find_sample, read_rows_at, read_table
from tests.support.rows import make_students
from tests.support.table_parts import write_parts

ROWS = 2_000
FRAME = make_students(ROWS, 1)[[*FEATURE_NAMES, LABEL.name]].astype({LABEL.name: int})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(LakeSettings(url=f"file://{tmp_path}"))


def write_split(lake: Lake, part_rows: int, frame: pd.DataFrame = FRAME) -> list[PartFacts]:
    """Write a frame as parts of a train split."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    get_key = partial(gold_split_part, f"rows-{part_rows}", "train")
    return write_parts(lake, table, part_rows, get_key)


def write_manifest(lake: Lake, parts: list[PartFacts]) -> Lineage:
    """Write a manifest whose splits are all these parts, and return a lineage."""
    facts = SplitFacts(
        sha256=hash_table(parts), rows=len(FRAME), positives=int(FRAME[LABEL.name].sum())
    )
    facts = facts.model_copy(update={"parts": parts})
    splits = {"train": facts, "validation": facts}
    manifest = GoldManifest(
        run_id="rows-300",
        bronze="",
        silver="",
        splits=splits,
        columns=[],
        seed=0,
        code_version="",
    )
    lake.write_model(gold_manifest("rows-300"), manifest)
    gold = dict.fromkeys(splits, facts.sha256)
    return Lineage(
        pipeline_run_id="rows-300", bronze="", silver="", gold=gold, code_version="", image=""
    )


def test_a_sample_does_not_depend_on_the_parts(lake: Lake) -> None:
    """It is seeded, stratified to a row, and in the order of the table."""
    frames = [read_table(lake, write_split(lake, rows), 500, seed=1) for rows in (2_000, 300, 77)]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], frame)
    assert len(frames[0]) == 500
    assert frames[0][LABEL.name].sum() == round(500 * FRAME[LABEL.name].mean())
    parts = write_split(lake, 300)
    assert not read_table(lake, parts, 500, seed=2).equals(frames[0])
    unknown = [part.model_copy(update={"positives": None}) for part in parts]
    pd.testing.assert_frame_equal(read_table(lake, unknown, 500, seed=1), frames[0])


@pytest.mark.parametrize("max_rows", [None, ROWS, ROWS + 1])
def test_a_small_table_is_read_whole(lake: Lake, max_rows: int | None) -> None:
    """In its order."""
    pd.testing.assert_frame_equal(read_table(lake, write_split(lake, 300), max_rows), FRAME)


def test_rare_rows_are_sampled(lake: Lake) -> None:
    """Of a class with few rows, its fraction is sampled too, even if that is one row or none."""
    for positives, expected in ((3, 1), (1, 0), (0, 0)):
        frame = FRAME.assign(**{LABEL.name: [1] * positives + [0] * (ROWS - positives)})
        sample = read_table(lake, write_split(lake, 300, frame), 500, seed=1)
        assert (len(sample), sample[LABEL.name].sum()) == (500, expected)


def test_training_reads_a_sample_with_its_row_numbers(lake: Lake) -> None:
    """So the rows can be found again; without a sample there are no numbers."""
    parts = write_split(lake, 300)
    whole = read_training_data(lake, parts, ROWS, 1)
    assert whole.numbers is None
    np.testing.assert_array_equal(whole.rows, FRAME[list(FEATURE_NAMES)].to_numpy(np.float32))
    sample = read_training_data(lake, parts, 100, 1)
    assert sample.numbers is not None
    np.testing.assert_array_equal(sample.rows, whole.rows[sample.numbers])
    np.testing.assert_array_equal(sample.labels, whole.labels[sample.numbers])
    frame = read_rows_at(lake, parts, sample.numbers)
    pd.testing.assert_frame_equal(frame, FRAME.iloc[sample.numbers].reset_index(drop=True))


def test_a_split_in_parts_is_read_by_its_lineage(lake: Lake) -> None:
    """Its parts are in the manifest; known rows are dropped part by part."""
    lineage = write_manifest(lake, write_split(lake, 300))
    pd.testing.assert_frame_equal(read_split(lake, lineage, "train"), FRAME)
    assert len(read_split(lake, lineage, "train", 100)) == 100
    new = make_students(50, 7, age=100)[list(FRAME.columns)].astype({LABEL.name: int})
    both = pd.concat([FRAME[::40], new], ignore_index=True)
    pd.testing.assert_frame_equal(drop_training_rows(lake, both, lineage), new)


def test_wrong_parts_are_refused(lake: Lake) -> None:
    """A part that was modified, that is missing, or that has other columns."""
    parts = write_split(lake, 300)
    lake.write(parts[3].key, lake.read(parts[2].key))
    with pytest.raises(LakeError, match="has the hash"):
        read_table(lake, parts)
    lake.delete(parts[3].key)
    with pytest.raises(LakeError, match=r"train/00003\.parquet does not exist"):
        find_sample(lake, parts, 10, 1)
    other = write_split(lake, 500, FRAME.drop(columns=["review_hours"]))
    with pytest.raises(DataError, match="lacks the columns review_hours"):
        read_table(lake, other, 10)
