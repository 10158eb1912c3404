"""Features splits every row into exactly one of train, validation and test, alike on every run."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from pipeline.columns import LABEL
from pipeline.context import Context
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError
from pipeline.settings import FeaturesSettings
from pipeline.stages import features, ingest, preprocess
from pipeline.stages.features import split
from pipeline.stages.preprocess import read_raw
from pipeline.stages.preprocess import split as rows_of
from pipeline.storage.parquet import from_parquet

Make = Callable[..., Context]


def students(rows: int = 400) -> pd.DataFrame:
    return rows_of(read_raw(generate_csv(rows, 1).decode()))[0]


def test_each_row_in_one_split() -> None:
    """The three splits together are the table, and their sizes are the settings' shares."""
    frame = students()
    splits = split(frame, FeaturesSettings(), seed=1)
    together = pd.concat(splits.values())
    columns = list(frame.columns)
    assert (
        together.sort_values(columns).to_numpy().tolist()
        == frame.sort_values(columns).to_numpy().tolist()
    )
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 240,
        "validation": 60,
        "test": 100,
    }


def test_stratified() -> None:
    """Every split has the table's share of the label, to a row."""
    frame = students(2000)
    for part in split(frame, FeaturesSettings(), seed=1).values():
        assert abs(part[LABEL.name].sum() - frame[LABEL.name].mean() * len(part)) <= 1


def test_seeded() -> None:
    """One seed splits alike, another differently."""
    frame = students()
    once, again, other = (split(frame, FeaturesSettings(), seed)["test"] for seed in (1, 1, 2))
    assert once.equals(again)
    assert not once.equals(other)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only(label: int) -> None:
    """A table without failed (or passed) students is refused, with the class that is missing."""
    frame = students().assign(**{LABEL.name: label})
    with pytest.raises(
        DataError, match=f"no row is labelled '{'pass' if label else 'fail'}' among 400"
    ):
        split(frame, FeaturesSettings(), seed=1)


@pytest.mark.parametrize("positives", [1, 3, 6])
def test_too_few_of_a_class(positives: int) -> None:
    """Fewer rows of a class than three splits need are refused, with the counts."""
    frame = students(100).assign(**{LABEL.name: [1] * positives + [0] * (100 - positives)})
    with pytest.raises(DataError, match=r"too few"):
        split(frame, FeaturesSettings(), seed=1)


def test_manifest_holds_hashes_and_counts(make_context: Make) -> None:
    """Gold's manifest leads back to silver and bronze and says what each split holds."""
    context = make_context(ingest={"source": "sample:400"})
    for stage in (ingest, preprocess, features):
        stage.run(context)
    manifest = context.lake.read_json("gold/run-1/manifest.json")
    assert manifest["bronze"] == context.lake.read_json("bronze/runs/run-1.json")["sha256"]
    assert manifest["silver"] == context.lake.read_json("silver/run-1/manifest.json")["sha256"]
    for name, facts in manifest["splits"].items():
        frame = from_parquet(context.lake.read(f"gold/run-1/{name}.parquet", facts["sha256"]))
        assert (len(frame), frame[LABEL.name].sum()) == (facts["rows"], facts["positives"])
