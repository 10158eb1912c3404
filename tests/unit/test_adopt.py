"""`adopt` proposes a columns file for a table, and refuses tables that it cannot learn from."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline import stages
from pipeline.__main__ import choose_columns, main
from pipeline.adoption.table import read_table
from pipeline.adoption.write import make_names
from pipeline.column_file.kinds import Category, Number
from pipeline.column_file.model import Columns
from pipeline.column_file.reader import COLUMNS_VARIABLE, read_columns
from pipeline.column_file.roles import Group, Key, Roles, Time

ROWS = 40


def make_columns() -> dict[str, list[str]]:
    """A table with a column of each kind; row 0 to 9 are positive."""
    return {
        "id": [str(index + 100) for index in range(ROWS)],
        "Größe (cm)": [f"{150 + index % 7}.5" for index in range(ROWS)],
        "visits": [str(index % 5) for index in range(ROWS)],
        "blood group": [("A", "B", "AB", "1")[index % 4] for index in range(ROWS)],
        "smoker": [("no", "yes")[index % 2] for index in range(ROWS)],
        "coded": [str(1 + index % 2) for index in range(ROWS)],
        "seen": [f"2026-01-{1 + index % 28:02}" for index in range(ROWS)],
        "ward": ["north"] * ROWS,
        "note": [f"text {index % 25}" for index in range(ROWS)],
        "dose": ["", *(str(index % 3) for index in range(ROWS - 1))],
        "weight": ["heavy" if index in (3, 7) else str(60 + index % 9) for index in range(ROWS)],
        "answer": [("no", "No", "yes")[index % 3] for index in range(ROWS)],
        "letter": ["sent" if index < 10 else "none" for index in range(ROWS)],
        "ill": [("1" if index < 10 else "0") for index in range(ROWS)],
    }


def write(
    path: Path, columns: dict[str, list[str]], delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def adopt(path: Path, *options: str, label: str = "ill") -> int:
    return main(["adopt", "--data", str(path), "--label", label, *options])


def read(path: Path) -> Columns:
    return read_columns(path.with_name(f"{path.stem}.columns.yaml"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "ward.csv", make_columns())


def test_what_each_column_is_taken_for(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers and categories become features; the table shows why others do not."""
    assert adopt(table) == 0
    shown = {
        cells[0].strip(): (cells[2].strip(), cells[3].strip())
        for line in capsys.readouterr().out.splitlines()
        if len(cells := line.strip("|").split("|")) == 4
    }
    assert {name: kind for name, (kind, _) in shown.items() if name in make_columns()} == {
        "id": "id",
        "Größe (cm)": "number",
        "visits": "number",
        "blood group": "category",
        "smoker": "category",
        "coded": "category",
        "seen": "date",
        "ward": "constant",
        "note": "text",
        "dose": "number",
        "weight": "mixed",
        "answer": "category",
        "letter": "leak",
        "ill": "label",
    }
    for name, reason in {
        "id": "a different whole number in every row",
        "seen": "dates 0 to 27 days before 2026-01-28",
        "ward": "every row is 'north'",
        "note": "25 different texts in 40 rows; a category needs 5 rows on average",
        "dose": "3 different whole numbers, 0 to 2; 1 of 40 rows are blank",
        "weight": "numbers, but 2 of 40 rows are not (row 4: 'heavy', row 8: 'heavy')",
        "answer": "2 categories: no, yes; 'No' counts as 'no'",
        "letter": "it predicts the label by itself (ROC AUC 1.000)",
        "ill": "ill is 1: 25.0% of 40 rows",
    }.items():
        assert reason in shown[name][1]
    text = (table.parent / "ward.columns.yaml").read_text()
    assert "  - ward # constant: every row is 'north'" in text
    left_out = ("id", "ward", "note", "weight", "letter")
    assert read(table).ignore == left_out


def test_the_proposal(table: Path) -> None:
    """Ranges, steps, codes and names come from the file."""
    adopt(table)
    columns = read(table)
    assert (columns.title, columns.subject, columns.subjects) == ("Ward", "row", "rows")
    height, visits, blood, smoker, coded, seen, dose, answer = columns.features
    assert isinstance(height, Number)
    assert (height.name, height.raw) == ("große_cm".replace("ß", ""), "Größe (cm)")
    assert (height.low, height.high, height.typical) == (147.5, 159.5, (150.5, 156.5))
    assert (height.step, height.example) == (0.1, 153.5)
    assert isinstance(visits, Number)
    assert (visits.low, visits.high, visits.typical, visits.step) == (0, 6, (0, 4), 1)
    assert visits.is_integer
    assert isinstance(blood, Category)
    assert blood.codes == {"1": 1, "A": 0, "AB": 2, "B": 3}
    assert (blood.raw_values, blood.has_groups) == ("names", False)
    assert isinstance(smoker, Category)
    assert smoker.codes == {"no": 0, "yes": 1}
    assert isinstance(coded, Category)
    assert (coded.codes, coded.raw_values) == ({"1": 1, "2": 2}, "codes")
    assert isinstance(dose, Number)
    assert (dose.typical, dose.required, visits.required) == ((0, 2), False, True)
    assert isinstance(seen, Number)
    assert (seen.until, seen.unit, seen.typical, seen.low) == ("2026-01-28", "days", (0, 27), -14)
    assert isinstance(answer, Category)
    assert answer.codes == {"no": 0, "yes": 1}
    label = columns.label
    assert (label.positive_raw, label.negative_raw, label.rate) == (1, 0, 0.25)
    assert (label.positive, label.negative) == ("ill is 1", "ill is 0")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_delimiters_and_byte_order_marks(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Every usual CSV file is read as the same table."""
    columns = make_columns()
    columns["a, b; c\td"] = columns.pop("visits")
    path = write(tmp_path / "x.csv", columns, delimiter, encoding)
    assert read_table(path).columns == columns


@pytest.mark.parametrize(
    ("values", "positive", "outcomes"),
    [
        ("abc", "c", ("c", ("a", "b"))),
        ("abc", "b, c", (("b", "c"), "a")),
        ("123", "2,3", ((2, 3), 1)),
        ("123", "<3", ("<3", ">=3")),
        ("123", ">= 2", (">=2", "<2")),
        ("aab", None, ("b", "a")),
        ("122", None, (1, 2)),
    ],
)
def test_positive_values(
    tmp_path: Path, values: str, positive: str | None, outcomes: tuple[object, object]
) -> None:
    """The positive outcome is a value, several, a comparison, or the rarer of two values."""
    columns = make_columns()
    columns["ill"] = [values[index % 3] for index in range(ROWS)]
    path = write(tmp_path / "x.csv", columns)
    assert adopt(path, *(["--positive", positive] if positive else [])) == 0
    label = read(path).label
    assert (label.positive_raw, label.negative_raw) == outcomes


def change(**cells: Sequence[str]) -> dict[str, list[str]]:
    return make_columns() | {name: list(values) for name, values in cells.items()}


WIDE = {f"column {index}": ["1", "2"] * 20 for index in range(299)} | {"ill": ["0", "1"] * 20}
REFUSED: list[tuple[dict[str, list[str]], tuple[str, ...], str]] = [
    (change(ill=["1"] * ROWS), (), "The label 'ill' has one value, '1'. It needs rows of two"),
    (change(ill=[""] * ROWS), (), "The label 'ill' has no value"),
    (change(ill=["1", "2", "3", "1"] * 10), (), "has 3 values: '1', '2', '3'. Choose the positive"),
    (change(ill=["1"] + ["0"] * 39), (), "1 rows have the label 1; at least 10 are needed"),
    (make_columns(), ("--positive", "7"), "has no value '7'; it has '1', '0'"),
    (make_columns(), ("--positive", "0,1"), "All values of the label 'ill' are positive"),
    (change(ill=["a", "1"] * 20), ("--positive", "<1"), "needs numbers, but 'ill' has 'a'"),
    (make_columns(), ("--keep", "leter"), "x.csv has no column 'leter'."),
    (make_columns(), ("--audit", "ward"), "'ward' divides no rows into groups: every row is"),
    (WIDE, (), "has 300 columns; at most 200 are supported"),
    ({"ill": ["1", "0"] * 20}, (), "has one column. Separate the columns by commas"),
    ({"": ["1", "2"] * 20, "ill": ["1", "0"] * 20}, (), "column 1 has no name"),
    ({"ward": ["1"] * 40, "ill": ["1", "0"] * 20}, (), "No column of x.csv can be learned from"),
    ({"a": [], "ill": []}, (), "has a header but no rows"),
]


@pytest.mark.parametrize(
    ("columns", "options", "message"), REFUSED, ids=[one[2] for one in REFUSED]
)
def test_a_table_that_is_refused(
    columns: dict[str, list[str]],
    options: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The message says what is wrong; no columns file is written."""
    assert adopt(write(tmp_path / "x.csv", columns), *options) == stages.EXIT_FAILED
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "x.columns.yaml").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b,a\n1,2,3\n", "has more than one column named 'a'. Keep or rename one"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: the row has 3 cells, but the header has 2"),
        (b"a,b\n\xe9,2\n", "is not UTF-8. Save it as CSV UTF-8"),
        (b"", "has one column"),
    ],
)
def test_a_file_that_is_refused(
    data: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no table is refused with its line or column."""
    (tmp_path / "x.csv").write_bytes(data)
    assert adopt(tmp_path / "x.csv") == stages.EXIT_FAILED
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_wrong_label_has_a_hint(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled label is corrected."""
    assert adopt(table, label="Ill") == stages.EXIT_FAILED
    assert "has no column 'Ill'; did you mean 'ill'?" in capsys.readouterr().err


def test_an_edited_file_is_kept(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only --force overwrites a columns file."""
    path = table.parent / "ward.columns.yaml"
    path.write_text("mine")
    assert adopt(table) == stages.EXIT_FAILED
    assert f"{path} exists, and may have your changes" in capsys.readouterr().err.replace("\n", "")
    assert path.read_text() == "mine"
    assert adopt(table, "--force") == 0
    assert read(table).label.raw == "ill"


def test_a_leak_that_is_none(table: Path) -> None:
    """`--keep` makes a feature of a column that looks like a leak."""
    adopt(table, "--keep", "letter")
    assert "letter" in [feature.name for feature in read(table).features]


def test_audit_only_columns(table: Path) -> None:
    """`--audit` keeps columns from the model and divides the rows into groups by them."""
    adopt(table, "--audit", "blood group, visits")
    columns = read(table)
    assert [column.name for column in columns.audit_only] == ["visits", "blood_group"]
    assert all(column.has_groups for column in columns.audit_only)
    assert getattr(columns.audit_only[0], "group_edges", None) == (2,)
    assert not {"visits", "blood_group"} & {feature.name for feature in columns.features}


def test_roles(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns with a role are neither features nor ignored, whatever their values look like."""
    roles = ["--key=id", "--time=seen", "--group=note,ward"]
    assert adopt(table, *roles) == 0
    columns = read(table)
    assert columns.roles == Roles(
        Key("id", "id"), Time("seen", "seen"), (Group("note", "note"), Group("ward", "ward"))
    )
    assert columns.ignore == ("weight", "letter")
    shown = " ".join(capsys.readouterr().out.split())
    assert "| id | id | key | 40 different values in 40 rows |" in shown
    assert "| seen | seen | time | 28 terms, 2026-01-01 to 2026-01-28 |" in shown


def test_terms_without_an_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their order is proposed as the file has it; a single term is refused."""
    seasons = [("spring", "autumn", "")[index % 3] for index in range(ROWS)]
    options = {"season": seasons, "one": ["1"] * ROWS}
    table = write(tmp_path / "w.csv", make_columns() | options)
    assert adopt(table, "--time=season") == 0
    assert read(table).time == Time("season", "season", ("spring", "autumn"))
    assert "2 terms; check their order; 13 rows are blank" in capsys.readouterr().out
    assert adopt(table, "--time=one", "--force") == 1
    assert "All rows are of one term ('one')" in capsys.readouterr().err
    assert adopt(table, "--time=visits", "--key=visits", "--force") == 1
    assert "The column 'visits' can only be one of key, time" in capsys.readouterr().err
    assert adopt(table, "--key=visits,one", "--force") == 1
    assert "has no column 'visits,one'" in capsys.readouterr().err


def test_a_column_close_to_a_label_of_numbers_is_a_leak(tmp_path: Path) -> None:
    """An earlier mark predicts the last one, without separating the outcomes perfectly."""
    marks = [index % 20 for index in range(ROWS)]
    columns = {
        "earlier": [str(mark + index % 4) for index, mark in enumerate(marks)],
        "other": [str(index % 3) for index in range(ROWS)],
        "mark": [str(mark) for mark in marks],
    }
    path = write(tmp_path / "x.csv", columns)
    assert adopt(path, "--positive", "<10", label="mark") == 0
    assert [feature.name for feature in read(path).features] == ["other"]


def adopt_column(folder: Path, cells: Sequence[str]) -> tuple[Columns, str]:
    """Adopt a table with one more column, `x`; return the proposal and its text."""
    path = write(folder / "x.csv", make_columns() | {"x": list(cells)})
    assert adopt(path) == 0
    return read(path), path.with_name("x.columns.yaml").read_text()


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (
            ["2026-01-05", "2026-02-30", *["2026-03-01", "2026-03-02"] * 19],
            "1 of 40 rows are not (row 2: '2026-02-30')",
        ),
        (["1/2/2026", "3/4/2026"] * 20, "the day and the month of '1/2/2026' are ambiguous"),
        (["", *["7"] * 39], "every row is '7'; 1 of 40 rows are blank"),
        ([""] * 40, "every row is blank"),
    ],
)
def test_a_column_that_is_left_out(tmp_path: Path, cells: list[str], reason: str) -> None:
    """The columns file says why, with the first rows."""
    columns, text = adopt_column(tmp_path, cells)
    assert "x" not in [feature.name for feature in columns.features]
    assert reason in text


def test_dates_in_other_formats(tmp_path: Path) -> None:
    """A day above 12 tells the day from the month."""
    columns, _ = adopt_column(tmp_path, ["13/2/2001", "3/4/2026"] * 20)
    feature = columns.features[-1]
    assert isinstance(feature, Number)
    assert (feature.date_format, feature.until, feature.unit) == ("%d/%m/%Y", "2026-04-03", "years")
    assert feature.measure_dates("3/4/2025") == 1
    assert feature.measure_dates("2025-04-03") == 1


def test_ordered_categories_and_rare_ones(tmp_path: Path) -> None:
    """A known scale keeps its order; categories of few rows count as `other`."""
    columns, _ = adopt_column(tmp_path, ["often", "never", "Sometimes", "never"] * 10)
    scale = columns.features[-1]
    assert isinstance(scale, Category)
    assert (list(scale.codes), scale.ordered) == (["never", "Sometimes", "often"], True)
    rare = [f"street {index}" if index > 29 else "ab"[index % 2] for index in range(ROWS)]
    (tmp_path / "x.columns.yaml").unlink()
    columns, _ = adopt_column(tmp_path, rare)
    street = columns.features[-1]
    assert isinstance(street, Category)
    assert (street.codes, street.unknown) == ({"a": 0, "b": 1, "other": 2}, "other")
    assert street.other_code == 2


def test_names() -> None:
    """Names are unique, begin with a letter, and are no field of the traffic log."""
    headers = ["Age", "age", "2nd", "%", "version", "a" * 90]
    assert list(make_names(headers).values()) == [
        *("age", "age_2", "column_2nd", "column", "version_2", "a" * 40)
    ]


def test_run_takes_the_adopted_file(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data` chooses the file that `adopt` wrote; the environment and `--columns` come first."""
    for name in (COLUMNS_VARIABLE, "MLOPS_LAKE__URL"):
        monkeypatch.setenv(name, "")  # restored after the test
        monkeypatch.delenv(name)
    choose_columns(["--data", str(table)])
    assert COLUMNS_VARIABLE not in os.environ
    adopt(table)
    choose_columns(["--data", str(table)])
    assert os.environ[COLUMNS_VARIABLE] == str(table.parent / "ward.columns.yaml")
    assert os.environ["MLOPS_LAKE__URL"] == "file://local/ward"
    choose_columns(["--data", "other.csv", "--columns", "own.yaml"])
    assert os.environ[COLUMNS_VARIABLE] == "own.yaml"
    choose_columns(["--data", str(table)])
    assert os.environ[COLUMNS_VARIABLE] == "own.yaml"


def test_a_column_of_ten_thousand_categories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A text with too many values is left out, whatever the number of rows."""
    rows = 60_000
    columns = {
        "customer": [f"customer {index % 10_000}" for index in range(rows)],
        "region": [f"region {index % 50}" for index in range(rows)],
        "late": ["yes" if index % 7 == 0 else "no" for index in range(rows)],
    }
    assert adopt(write(tmp_path / "x.csv", columns), label="late") == 0
    assert "10,000 different texts; at most 50 categories are" in capsys.readouterr().out
    assert [feature.raw for feature in read(tmp_path / "x.csv").features] == ["region"]
