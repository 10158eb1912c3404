"""`preprocess` renames and types valid rows, flips the label, and rejects invalid rows."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.columns import FEATURE_NAMES, RAW_HEADER, Category
from pipeline.context import Context
from pipeline.data import silver, source_changes
from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data.source_changes import count_new_values, read_changes
from pipeline.data.synthetic import generate_csv
from pipeline.data_check.report import DataCheck
from pipeline.errors import DataError, LakeError
from pipeline.reporting.templates import inline_code
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.artifacts.data import (
    BronzePointer,
    GoldManifest,
    SilverManifest,
    SourceChanges,
)
from pipeline.storage.lake import sha256_hex
from pipeline.storage.parquet import from_parquet, to_parquet

HEADER = ",".join(f'"{name}"' for name in RAW_HEADER)
GOOD, BAD = "31,1,6.8,0,2.1,1", "31,1,99,0,2.1,1"
MakeContext = Callable[..., Context]


def make_csv(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def parse_rows(text: str) -> pd.DataFrame:
    return parse_csv(text.encode())


def store_raw_file(context: Context, text: str) -> Context:
    """Put a raw file into bronze, as `ingest` does."""
    data = text.encode()
    sha256 = sha256_hex(data)
    context.lake.create(f"bronze/{sha256}.csv", data)
    pointer = BronzePointer(sha256=sha256, source="x", fetched_at="x", rows=1, bytes=len(data))
    context.lake.write_model(f"bronze/runs/{context.run_id}.json", pointer)
    return context


def test_names_types_and_flipped_label() -> None:
    """A student who passed (1) has fail 0, one who failed (0) has fail 1; integers are int64."""
    valid, rejected = validate_rows(
        parse_rows(make_csv("31,1,6.8,0.0,2.1,1.0", "46,0,4.3,0.5,2.4,0"))
    )
    assert list(valid.columns) == [*FEATURE_NAMES, "fail"]
    assert valid.to_dict("list") == {
        "age": [31, 46],
        "course": [1, 0],
        "sleep_hours": [6.8, 4.3],
        "relationship": [0.0, 0.5],
        "review_hours": [2.1, 2.4],
        "fail": [0, 1],
    }
    assert valid.dtypes.astype(str).to_dict()["age"] == "int64"
    assert len(rejected) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("31,1,much,0,2.1,1", "'Hours of Sleep' must be a number"),
        ("31,1,,0,2.1,1", "'Hours of Sleep' is missing"),
        ("31,1,NaN,0,2.1,1", "'Hours of Sleep' is missing"),
        ("31,1,inf,0,2.1,1", "'Hours of Sleep' must be between 0 and 24"),
        ("31,1,-inf,0,2.1,1", "'Hours of Sleep' must be between 0 and 24"),
        ("31,1,25,0,2.1,1", "'Hours of Sleep' must be between 0 and 24"),
        ("1e400,1,6.8,0,2.1,1", "'Age' must be between 15 and 100"),
        ("31.5,1,6.8,0,2.1,1", "'Age' must be a whole number"),
        ("31,2,6.8,0,2.1,1", "'Course (STEM=1, Non-STEM=0)' must be one of 0, 1"),
        ("31,1,6.8,0.7,2.1,1", "must be one of 0, 0.5, 1"),
        ("31,1,6.8,0,2.1,2", "'Pass/Fail (1=Pass, 0=Fail)' must be one of 0, 1"),
        ("31,1,6.8", "'Hours Reviewing' is missing"),
        ("31,1,6.8,0,2.1,1,7", "'Pass/Fail (1=Pass, 0=Fail)' must be a number"),
    ],
)
def test_an_invalid_row_is_rejected(line: str, reason: str) -> None:
    """A row that breaks the contract gets its number and the reason; the others are kept."""
    valid, rejected = validate_rows(parse_rows(make_csv(GOOD, line, "46,0,4.3,1,2.4,0")))
    assert len(valid) == 2
    assert rejected["row"].tolist() == [2]
    assert reason in rejected["reason"].iloc[0]


@pytest.mark.parametrize("column", range(len(RAW_HEADER)))
@pytest.mark.parametrize("value", ["ann smith", "90125.5", "-inf"])
def test_a_reason_has_no_value(column: int, value: str) -> None:
    """Reasons are logged, and a value may be that of a person, such as a name in a wrong column."""
    cells = GOOD.split(",")
    cells[column] = value
    _, rejected = validate_rows(parse_rows(make_csv(GOOD, ",".join(cells))))
    (reason,) = rejected["reason"]
    assert f"'{RAW_HEADER[column]}' must be " in reason
    assert value not in reason
    assert rejected[RAW_HEADER[column]].tolist() == [value]


def test_a_line_that_cannot_be_parsed() -> None:
    """The message has the line's number."""
    text = make_csv(GOOD, f"31,1,{'x' * 200_000}")
    with pytest.raises(DataError, match=r"line 3 cannot be parsed as CSV: field larger"):
        parse_rows(text)


def test_a_row_has_all_its_reasons() -> None:
    """A row with two invalid values has two reasons."""
    _, rejected = validate_rows(parse_rows(make_csv(GOOD, "7,1,99,0,2.1,1")))
    assert "'Age' must be between 15 and 100" in rejected["reason"].iloc[0]
    assert "'Hours of Sleep' must be between 0 and 24" in rejected["reason"].iloc[0]


def test_reasons_are_in_the_order_of_the_columns() -> None:
    """They do not depend on the other rows of a block."""
    _, rejected = validate_rows(
        parse_rows(make_csv(",1,6.8,0,x,1", "31,1,6.8,0,2.1,", "-inf" + GOOD[2:]))
    )
    assert rejected["reason"].tolist() == [
        "'Age' is missing; 'Hours Reviewing' must be a number",
        "'Pass/Fail (1=Pass, 0=Fail)' is missing",
        "'Age' must be between 15 and 100",
    ]


def test_order_and_extra_columns_do_not_matter() -> None:
    """Columns are found by name; those outside the contract are left out."""
    frame = pd.read_csv(io.StringIO(make_csv(GOOD)))
    changed = frame[list(reversed(RAW_HEADER))].assign(shoe=42)
    valid, _ = validate_rows(parse_rows(changed.to_csv(index=False)))
    assert valid.equals(validate_rows(parse_rows(make_csv(GOOD)))[0])


def test_few_rejected_rows_are_stored(
    make_context: MakeContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to the bound, rejected rows are stored with their reasons, and the others as silver."""
    context = store_raw_file(make_context(), make_csv(*[GOOD] * 39, BAD))
    preprocess.run(context)
    rejected = pd.read_csv(io.BytesIO(context.lake.read("silver/run-1/rejected.csv")))
    assert rejected[["row", "Hours of Sleep"]].to_numpy().tolist() == [[40, 99]]
    assert "must be between 0 and 24" in rejected["reason"][0]
    manifest = context.lake.read_model("silver/run-1/manifest.json", SilverManifest)
    assert (manifest.rows, manifest.rejected) == (39, 1)
    rows = from_parquet(context.lake.read("silver/run-1/rows.parquet", manifest.sha256))
    assert len(rows) == 39
    assert "1 of 40 rows were rejected (2.5%). The first is row 40" in capsys.readouterr().err


def test_many_rejected_rows_stop_the_stage(make_context: MakeContext) -> None:
    """Above the bound, the stage stores the rejected rows, and fails with the first reason."""
    text = make_csv(*[GOOD] * 9, BAD)
    context = store_raw_file(make_context(), text)
    with pytest.raises(
        DataError,
        match=r"1 of 10 rows were rejected \(10.0%\). The first is row 10: 'Hours of Sleep' "
        r"must be between 0 and 24\. See .*rejected\.csv\. At most 5.0% may be "
        r"\(MLOPS_PREPROCESS__MAX_REJECTED_FRACTION\)",
    ):
        preprocess.run(context)
    assert context.lake.exists("silver/run-1/rejected.csv")
    assert not context.lake.exists("silver/run-1/manifest.json")
    higher_bound = {"max_rejected_fraction": 0.2}
    preprocess.run(store_raw_file(make_context("run-2", preprocess=higher_bound), text))


def test_modified_bronze_is_refused(make_context: MakeContext) -> None:
    """A raw file whose bytes do not have the hash of its name is refused."""
    text = make_csv(GOOD)
    context = store_raw_file(make_context(), text)
    context.lake.write(f"bronze/{sha256_hex(text.encode())}.csv", b"other")
    with pytest.raises(LakeError, match="has the hash"):
        preprocess.run(context)


def test_a_run_without_raw_file(make_context: MakeContext) -> None:
    """The message says to run `ingest` first."""
    with pytest.raises(LakeError, match="does not exist; run the stage that writes it first"):
        preprocess.run(make_context("never"))


def test_equal_input_gives_equal_bytes(make_context: MakeContext) -> None:
    """Two runs of the same raw file write the same silver bytes."""
    hashes = set()
    for run_id in ("a", "b"):
        context = make_context(run_id, ingest={"source": "sample:200"})
        ingest.run(context)
        preprocess.run(context)
        manifest = context.lake.read_model(f"silver/{run_id}/manifest.json", SilverManifest)
        hashes.add(manifest.sha256)
    assert len(hashes) == 1


def test_the_data_check_is_written(
    make_context: MakeContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file whose failing rows come last is reported on the console, in JSON and on the page."""
    passed = [f"{24 + n % 30},1,{3 + n % 50 / 10:.1f},0,2.1,1" for n in range(200)]
    failed = [f"{24 + n % 30},0,{3 + n % 50 / 10:.1f},0,2.1,0" for n in range(20)]
    context = store_raw_file(make_context(), make_csv(*passed, *failed))
    preprocess.run(context)
    check = context.lake.read_model("reports/run-1/data_check.json", DataCheck)
    page = context.lake.read("reports/run-1/data_check.html").decode()
    printed = capsys.readouterr().err
    assert check.order is not None
    assert check.order.auc.value == 1
    assert "The row number ranks the rows by `fail` with a ROC AUC of 1.000" in printed
    for finding in check.findings:
        assert f"preprocess: {finding.sentence}" in printed
        assert str(inline_code(finding.sentence)) in page
    assert "http" not in page


def test_rows_of_one_class_are_checked_too(make_context: MakeContext) -> None:
    """Measurements that need both labels are left out."""
    context = store_raw_file(make_context(), make_csv(*[GOOD] * 39))
    preprocess.run(context)
    check = context.lake.read_model("reports/run-1/data_check.json", DataCheck)
    assert (check.order, check.null, check.rule, check.needed) == (None, None, None, [])
    assert check.duplicates.repeated == 38


def test_both_parsers_agree() -> None:
    """Numbers are the same floats, whether another row of the file has text or not."""
    text = generate_csv(300, 5).decode()
    from_numbers, _ = validate_rows(parse_rows(text))
    from_text, rejected = validate_rows(parse_rows(text + "x,1,6.8,0,2.1,1\n"))
    assert len(rejected) == 1
    assert to_parquet(from_numbers) == to_parquet(from_text)


def test_new_categories_are_recorded(
    make_context: MakeContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence has the column and its rows, the report the values; the next file clears it."""
    rows = ["31,7,6.8,0,2.1,1", "31,7,6.8,0,2.1,1", "31,8,6.8,0,2.1,1", "31,1,6.8,0,2.1,2", BAD]
    context = make_context(preprocess={"max_rejected_fraction": 1})
    preprocess.run(store_raw_file(context, make_csv(*[GOOD] * 30, *rows)))
    sentences = read_changes(context.lake)
    assert sentences == [
        f"The raw file of run run-1 has new values of '{column}' in at least {rows} rows, which "
        "were rejected. reports/source_changes.json lists the values; add them to the columns "
        "file, and train again."
        for column, rows in (("Course (STEM=1, Non-STEM=0)", 3), ("Pass/Fail (1=Pass, 0=Fail)", 1))
    ]
    changes = context.lake.read_model("reports/source_changes.json", SourceChanges)
    assert list(changes.new_values.values()) == [{"7": 2, "8": 1}, {"2": 1}]
    assert "preprocess: The raw file of run run-1 has new values" in capsys.readouterr().err
    preprocess.run(store_raw_file(make_context("run-2"), make_csv(*[GOOD] * 30)))
    assert read_changes(context.lake) == []


def test_a_value_of_the_category_other_is_not_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row was rejected for another reason, so the columns file needs no change."""
    course = Category(
        name="course",
        raw="Course",
        codes={"stem": 1, "other": 0},
        frequencies=(0.5, 0.5),
        description="",
        example="stem",
        raw_values="names",
    )
    rejected = pd.DataFrame({"Course": ["stem", "art"]})
    monkeypatch.setattr(source_changes, "ROW_COLUMNS", (course,))
    assert count_new_values(rejected).find_most_frequent() == {"Course": {"art": 1}}
    monkeypatch.setattr(source_changes, "ROW_COLUMNS", (replace(course, unknown="other"),))
    assert count_new_values(rejected).find_most_frequent() == {}


def test_block_sizes_do_not_matter(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silver, gold and the numbers of rejected rows are the same for blocks of any size."""
    rows = generate_csv(400, 7).decode().splitlines()[1:]
    rows[150:150] = ["", BAD]
    rows[300:300] = ["31,1,much,0,2.1,1", '31,1,"6.8\n",0,2.1,1', BAD, "31,7,6.8,0,2.1,1"]
    found = []
    for block_bytes in (300, 1000, 1 << 20):
        monkeypatch.setattr(silver, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(silver, "ROW_GROUP_VALUES", 6 * 100)
        context = store_raw_file(make_context(f"run-{block_bytes}"), make_csv(*rows))
        preprocess.run(context)
        features.run(context)
        prefix = f"silver/{context.run_id}"
        rejected = pd.read_csv(io.BytesIO(context.lake.read(f"{prefix}/rejected.csv")))
        manifest = context.lake.read_model(f"{prefix}/manifest.json", SilverManifest)
        gold = context.lake.read_model(f"gold/{context.run_id}/manifest.json", GoldManifest)
        check = context.lake.read(f"reports/{context.run_id}/data_check.json")
        found.append((rejected["row"].tolist(), manifest, gold.splits, check))
        parquet = pq.ParquetFile(io.BytesIO(context.lake.read(f"{prefix}/rows.parquet")))
        sizes = [parquet.metadata.row_group(n).num_rows for n in range(parquet.num_row_groups)]
        assert sizes == [100, 100, 100, 100, 1]
    assert found[0] == found[1] == found[2]
    assert found[0][0] == [151, 300, 302, 303]
    changes = context.lake.read_model("reports/source_changes.json", SourceChanges)
    assert changes.new_values == {"Course (STEM=1, Non-STEM=0)": {"7": 1}}


def test_an_error_leaves_no_silver(make_context: MakeContext) -> None:
    """A file that breaks off between its blocks leaves no object, and no temporary file."""
    text = make_csv(*[GOOD] * 400)
    context = store_raw_file(make_context(), text)
    context.lake.write(f"bronze/{sha256_hex(text.encode())}.csv", text[:-10].encode())
    with pytest.raises(LakeError, match="has the hash"):
        preprocess.run(context)
    folder = context.settings.lake.folder
    assert folder is not None
    assert list(folder.glob("silver/*")) == []
