"""Preprocess keeps good rows under our names, flips the label, and rejects bad rows with the reason."""

from __future__ import annotations

import io
from collections.abc import Callable

import pandas as pd
import pytest

from pipeline.columns import FEATURE_NAMES, RAW_HEADER
from pipeline.context import Context
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError, LakeError
from pipeline.stages import ingest, preprocess
from pipeline.stages.preprocess import read_raw, split
from pipeline.storage.parquet import from_parquet, to_parquet

HEADER = ",".join(f'"{name}"' for name in RAW_HEADER)
Make = Callable[..., Context]


def rows(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def test_names_types_and_flipped_label() -> None:
    """A passed student (1) is fail 0, a failed one (0) is fail 1; whole numbers are int64."""
    students, rejected = split(read_raw(rows("31,1,6.8,0.0,2.1,1.0", "46,0,4.3,0.5,2.4,0")))
    assert list(students.columns) == [*FEATURE_NAMES, "fail"]
    assert students.to_dict("list") == {
        "age": [31, 46],
        "course": [1, 0],
        "sleep_hours": [6.8, 4.3],
        "relationship": [0.0, 0.5],
        "review_hours": [2.1, 2.4],
        "fail": [0, 1],
    }
    assert students.dtypes.astype(str).to_dict()["age"] == "int64"
    assert len(rejected) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("31,1,much,0,2.1,1", "'Hours of Sleep' is 'much', which is not a number"),
        ("31,1,,0,2.1,1", "'Hours of Sleep' is missing"),
        ("31,1,NaN,0,2.1,1", "'Hours of Sleep' is missing"),
        ("31,1,inf,0,2.1,1", "'Hours of Sleep' is inf, which is not within 0 to 24"),
        ("31,1,-inf,0,2.1,1", "'Hours of Sleep' is -inf, which is not within 0 to 24"),
        ("31,1,25,0,2.1,1", "'Hours of Sleep' is 25.0, which is not within 0 to 24"),
        ("1e400,1,6.8,0,2.1,1", "'Age' is"),
        ("31.5,1,6.8,0,2.1,1", "'Age' is 31.5, which is not a whole number"),
        ("31,2,6.8,0,2.1,1", "'Course (STEM=1, Non-STEM=0)' is 2.0, which is not one of 0, 1"),
        ("31,1,6.8,0.7,2.1,1", "is 0.7, which is not one of 0, 0.5, 1"),
        ("31,1,6.8,0,2.1,2", "'Pass/Fail (1=Pass, 0=Fail)' is 2.0, which is not one of 0, 1"),
        ("31,1,6.8", "'Hours Reviewing' is missing"),
        ("31,1,6.8,0,2.1,1,7", "'Pass/Fail (1=Pass, 0=Fail)' is '1,7', which is not a number"),
    ],
)
def test_rejected_row(line: str, reason: str) -> None:
    """A row that breaks the contract is kept apart with its number and the reason; the others pass."""
    students, rejected = split(read_raw(rows("31,1,6.8,0,2.1,1", line, "46,0,4.3,1,2.4,0")))
    assert len(students) == 2
    assert rejected["row"].tolist() == [2]
    assert reason in rejected["reason"].iloc[0]


def test_every_reason_is_told() -> None:
    """A row with two faults has both."""
    _, rejected = split(read_raw(rows("31,1,6.8,0,2.1,1", "7,1,99,0,2.1,1")))
    assert "'Age' is 7" in rejected["reason"].iloc[0]
    assert "'Hours of Sleep' is 99" in rejected["reason"].iloc[0]


def test_extra_columns_and_order_do_not_matter() -> None:
    """Columns are found by name; those that the contract does not know are left out."""
    frame = pd.read_csv(io.StringIO(rows("31,1,6.8,0.0,2.1,1.0")))
    shuffled = frame[list(reversed(RAW_HEADER))].assign(shoe=42).to_csv(index=False)
    assert split(read_raw(shuffled))[0].equals(split(read_raw(frame.to_csv(index=False)))[0])


def ingested(
    make_context: Make, text: str, run_id: str = "run-1", **sections: dict[str, float]
) -> Context:
    context = make_context(run_id, **sections)
    sha256 = context.lake.write("bronze/x", text.encode())
    context.lake.create(f"bronze/{sha256}.csv", text.encode())
    context.lake.write_json(
        f"bronze/runs/{run_id}.json",
        {"sha256": sha256, "source": "x", "fetched_at": "x", "rows": 1, "bytes": 1},
    )
    return context


def test_few_bad_rows_are_kept_with_reasons(
    make_context: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to the bound, bad rows go to rejected.csv with their reasons and the rest to silver."""
    context = ingested(make_context, rows(*["31,1,6.8,0,2.1,1"] * 39, "31,1,99,0,2.1,1"))
    preprocess.run(context)
    rejected = pd.read_csv(io.BytesIO(context.lake.read("silver/run-1/rejected.csv")))
    assert rejected[["row", "Hours of Sleep"]].to_numpy().tolist() == [[40, 99]]
    assert "is not within 0 to 24" in rejected["reason"][0]
    manifest = context.lake.read_json("silver/run-1/manifest.json")
    assert (manifest["rows"], manifest["rejected"]) == (39, 1)
    students = from_parquet(context.lake.read("silver/run-1/students.parquet", manifest["sha256"]))
    assert len(students) == 39
    assert "1 of 40 rows are rejected (2.5%), first row 40" in capsys.readouterr().err


def test_many_bad_rows_stop_the_stage(make_context: Make) -> None:
    """Above the bound the stage stops with the share and the first reason; silver gets no table, the rows are kept."""
    context = ingested(make_context, rows(*["31,1,6.8,0,2.1,1"] * 9, "31,1,99,0,2.1,1"))
    with pytest.raises(
        DataError,
        match=r"1 of 10 rows are rejected \(10.0%\), first row 10: .*99.*MLOPS_PREPROCESS__MAX_REJECTED_FRACTION",
    ):
        preprocess.run(context)
    assert context.lake.keys("silver/run-1/") == ["silver/run-1/rejected.csv"]
    preprocess.run(
        ingested(
            make_context,
            rows(*["31,1,6.8,0,2.1,1"] * 9, "31,1,99,0,2.1,1"),
            preprocess={"max_rejected_fraction": 0.2},
        )
    )


def test_tampered_bronze(make_context: Make) -> None:
    """A bronze object whose bytes are not of its name is refused."""
    context = ingested(make_context, rows("31,1,6.8,0,2.1,1"))
    sha256 = context.lake.read_json("bronze/runs/run-1.json")["sha256"]
    context.lake.write(f"bronze/{sha256}.csv", b"other")
    with pytest.raises(LakeError, match="has the hash"):
        preprocess.run(context)


def test_unknown_run(make_context: Make) -> None:
    """A run that was never ingested is a sentence."""
    with pytest.raises(LakeError, match="does not exist; run the stage that writes it first"):
        preprocess.run(make_context("never"))


def test_equal_input_equal_bytes(make_context: Make) -> None:
    """The same bronze gives the same silver bytes in every run."""
    hashes = set()
    for run_id in ("a", "b"):
        context = make_context(run_id, ingest={"source": "sample:200"})
        ingest.run(context)
        preprocess.run(context)
        hashes.add(context.lake.read_json(f"silver/{run_id}/manifest.json")["sha256"])
    assert len(hashes) == 1


def test_fast_and_careful_reading_agree() -> None:
    """Numbers read at once and numbers read as text are the same floats."""
    text = generate_csv(300, 5).decode()
    fast, _ = split(read_raw(text))
    careful, rejected = split(read_raw(text + "x,1,6.8,0,2.1,1\n"))
    assert len(rejected) == 1
    assert to_parquet(fast) == to_parquet(careful)
