"""`features` puts every row into one of train, validation and test."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from pipeline.columns import LABEL
from pipeline.context import Context
from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError
from pipeline.settings.data import FeaturesSettings
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.artifacts.data import BronzePointer, GoldManifest, SilverManifest
from pipeline.storage.parquet import from_parquet
from tests.support.splits import split_rows

MakeContext = Callable[..., Context]


def make_rows(count: int = 400) -> pd.DataFrame:
    return validate_rows(parse_csv(generate_csv(count, 1)))[0]


def test_each_row_is_in_one_split() -> None:
    """The splits together are the table, and their sizes are those of the settings."""
    rows = make_rows()
    splits = split_rows(rows, FeaturesSettings(), seed=1)
    union, columns = pd.concat(splits.values()), list(rows.columns)
    assert (
        union.sort_values(columns).to_numpy().tolist()
        == rows.sort_values(columns).to_numpy().tolist()
    )
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 240,
        "validation": 60,
        "test": 100,
    }


def test_splits_are_stratified() -> None:
    """Every split has the table's positive rate, to a row."""
    rows = make_rows(2000)
    for split in split_rows(rows, FeaturesSettings(), seed=1).values():
        assert abs(split[LABEL.name].sum() - rows[LABEL.name].mean() * len(split)) <= 1


def test_splits_are_seeded() -> None:
    """Equal seeds give equal splits, different seeds different ones."""
    rows = make_rows()
    first, again, other = (split_rows(rows, FeaturesSettings(), seed)["test"] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize(("label", "missing"), [(0, "fail"), (1, "pass")])
def test_a_missing_class_is_refused(label: int, missing: str) -> None:
    """The message has the class without rows."""
    rows = make_rows().assign(**{LABEL.name: label})
    with pytest.raises(DataError, match=f"none of the 400 rows is labelled '{missing}'"):
        split_rows(rows, FeaturesSettings(), seed=1)


@pytest.mark.parametrize("positives", [1, 3, 6])
def test_too_few_rows_of_a_class_are_refused(positives: int) -> None:
    """Each split needs two rows of each class; the message has the number of positive rows."""
    rows = make_rows(100).assign(**{LABEL.name: [1] * positives + [0] * (100 - positives)})
    with pytest.raises(DataError, match=rf"\({positives} fail\) are too few"):
        split_rows(rows, FeaturesSettings(), seed=1)


def test_manifest(make_context: MakeContext) -> None:
    """Gold's manifest has the hashes of silver and bronze, and the facts of each split."""
    context = make_context(ingest={"source": "sample:400"})
    for stage in (ingest, preprocess, features):
        stage.run(context)
    lake = context.lake
    manifest = lake.read_model("gold/run-1/manifest.json", GoldManifest)
    bronze = lake.read_model("bronze/runs/run-1.json", BronzePointer)
    silver = lake.read_model("silver/run-1/manifest.json", SilverManifest)
    assert (manifest.bronze, manifest.silver) == (bronze.sha256, silver.sha256)
    for name, facts in manifest.splits.items():
        frame = from_parquet(lake.read(f"gold/run-1/{name}.parquet", facts.sha256))
        assert (len(frame), frame[LABEL.name].sum()) == (facts.rows, facts.positives)
