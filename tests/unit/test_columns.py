"""The columns file: names of categories, and errors with their line and field."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # publishes no types
import pytest

from pipeline import stages
from pipeline.column_file import yaml_tree
from pipeline.column_file.fingerprint import compute_hash
from pipeline.column_file.reader import parse_columns, read_columns
from pipeline.columns import BUNDLED, COLUMNS, COLUMNS_SHA256, FEATURES, LABEL, Category, Label
from pipeline.errors import ColumnsError

ROOT = Path(__file__).parents[2]
TEXT = BUNDLED.read_text()
LINES = TEXT.splitlines()

COURSE = Category(
    name="course",
    raw="Course",
    codes={"STEM": 1, "Non-STEM": 0},
    frequencies=(0.5, 0.5),
    description="Field of study",
    example="STEM",
    titles={"STEM": "Engineering"},
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(("STEM", 1), ("stem", 1), ("Stem", 1), ("Engineering", 1), ("art", None)),
        *(("Non-STEM", 0), ("non-stem", 0), ("non  stem", 0), (" NON_stem ", 0), ("nonstem", None)),
    ],
)
def test_spellings_of_names(name: str, code: float | None) -> None:
    """A category's name or title has the same code in any spelling."""
    assert COURSE.get_code(name) == code


def test_every_name_has_its_code() -> None:
    """The survey's names lead to their codes."""
    for feature in FEATURES:
        if isinstance(feature, Category):
            for name, code in feature.codes.items():
                assert feature.get_code(name.upper()) == code


def replace_line(old: str, new: str) -> tuple[str, int]:
    """Replace a line of the survey's file; returns the text and the number of the line."""
    number = next(index for index, line in enumerate(LINES) if line.strip() == old)
    indent = LINES[number][: len(LINES[number]) - len(LINES[number].lstrip())]
    return "\n".join([*LINES[:number], indent + new, *LINES[number + 1 :]]), number + 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low: 15", "low: fifteen", "features[0].low: 'fifteen': must be a number"),
        ("low: 15", "low: .inf", "features[0].low: '.inf': must be a number"),
        ("low: 15", "low: true", "features[0].low: True: must be a number"),
        ("low: 15", "lo: 15", "features[0].lo: is not a field here; did you mean `low`?"),
        ("high: 100", "high: 15", "features[0].high: 15 is not larger than `low`, 15"),
        ("step: 1", "step: 0", "features[0].step: 0: should be greater than 0"),
        ("typical: [24, 54]", "typical: [1, 54]", "features[0].typical: 1 to 54 is not between"),
        ("typical: [24, 54]", "typical: [54, 24]", "features[0].typical: 24 is not larger than 54"),
        ("example: 31", "example: 14", "features[0].example: 14 is not between `low` and `high`"),
        ("group_edges: [30, 40, 50]", "group_edges: [40, 30]", "the edges must increase"),
        ("- kind: number", "- kind: text", "features[0]: needs a `kind`, which is one of number,"),
        ("name: age", "name: Age", "features[0].name: `Age` must consist of a-z, 0-9 and _"),
        ("name: age", "name: version", "`version` is the name of a column that the"),
        ("name: course", "name: age", "features[1].name: `age` occurs twice"),
        ("raw: Age", "raw: Hours of Sleep", "features[2].raw: `Hours of Sleep` occurs twice"),
        ("raw: Age", "raw: 5", "features[0].raw: 5: should be a text; quote it"),
        ("codes: {non_stem: 0, stem: 1}", "codes: {stem: 1}", "at least two categories"),
        ("codes: {non_stem: 0, stem: 1}", "codes: {non_stem: 1, stem: 1}", "have the same code"),
        ("codes: {non_stem: 0, stem: 1}", "codes: {stem: 0, STEM: 1}", "rename one of them"),
        ("codes: {non_stem: 0, stem: 1}", "codes: {1: 0, stem: 1}", "so 1 would mean two"),
        ("example: stem", "example: art", "features[1].example: `art` is not one of non_stem,"),
        ("frequencies: [0.154, 0.846]", "frequencies: [1]", "1 numbers for 2 categories"),
        ("frequencies: [0.154, 0.846]", "frequencies: [1, 1]", "add up to 2, not to 1"),
        ("positive_raw: 0", "positive_raw: 1", "label.negative_raw: 1 is the positive outcome"),
        ("positive: fail", "positive: pass", "label.negative: `pass` is the name of the positive"),
        ("rate: 0.05", "rate: 5", "label.rate: 5: should be less than 1"),
        ("- feature: sleep_hours", "- feature: sleep", "`sleep` is not a feature; the features"),
        ("risky: 7", "risky: 70", "expectations[0].risky: 70 is not between 0 and 24, the bounds"),
        ("risky: 7", "risky: 5", "expectations[0].risky: 5 is the safe value already"),
        ("step: 1", "step: 1\n    until: Age", "features[0].until: `Age` is the column itself"),
        ("step: 0.1", "step: 0.1\n    until: x", "`hours per day` must be days or years with"),
        ("step: 1", "step: 1\n    required: maybe", "features[0].required: 'maybe': should be a"),
        ("example: stem", "example: stem\n    unknown: other", "no category named `other`; add"),
        ("example: stem", "example: stem\n    unknown: drop", "should be 'refuse' or 'other'"),
        ("subject: student", "subject: a: b", "mapping values are not allowed"),
        ("subjects: students", "subject: students", "`subject` is already set in line 7"),
        ("title: Student performance", "title: '?'", "title: `?` has neither a letter nor a digit"),
        ("name: age", "name: probability", "`probability` is the name of a column that the"),
        ("name: age", "name: fail_probability", "probability_alias: `fail_probability` occurs"),
    ],
)
def test_an_error_has_its_line_and_field(old: str, new: str, message: str) -> None:
    """Each error is one line: file, line, field, value and what is wrong."""
    text, number = replace_line(old, new)
    with pytest.raises(ColumnsError) as raised:
        parse_columns(text, "x.yaml")
    found = [line for line in str(raised.value).splitlines() if message in line]
    assert found, raised.value
    _, line, field, *_ = found[0].split(":")
    name = field.strip().rpartition(".")[2]
    assert int(line) == number or f"{name}:" in text.splitlines()[int(line) - 1]


AUDITED = """
audit_only:
  - kind: number
    name: siblings
    raw: Siblings
    low: 0
    high: 20
    typical: [0, 5]
    step: 1
    unit: ""
    description: Number of siblings
    example: 2
    group_edges: [1, 3]
"""
"""A list of audit-only columns for the survey's file."""


def test_audit_only_columns() -> None:
    """They are read as features are, but are none."""
    columns = parse_columns(TEXT + AUDITED, "x.yaml")
    (siblings,) = columns.audit_only
    assert siblings.name == "siblings"
    assert columns.features == FEATURES


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    group_edges: [1, 3]\n", "", "`siblings` divides no rows into groups; add `group_"),
        ("name: siblings", "name: age", "audit_only[0].name: `age` occurs twice"),
        ("unit:", "units:", "audit_only[0].units: is not a field here; did you mean `unit`?"),
    ],
)
def test_errors_of_audit_only_columns(old: str, new: str, message: str) -> None:
    """They have their place in the list, as those of features."""
    with pytest.raises(ColumnsError, match=re.escape(message)):
        parse_columns(TEXT + AUDITED.replace(old, new), "x.yaml")


def test_no_model_is_expected_to_learn_from_an_audit_only_column() -> None:
    """It may shape generated rows; an expectation needs a feature."""
    text = TEXT.replace("{feature: relationship, low: 1,", "{feature: siblings, low: 1,")
    parse_columns(text + AUDITED, "x.yaml")
    text = TEXT.replace("- feature: sleep_hours", "- feature: siblings")
    with pytest.raises(ColumnsError, match="`siblings` is not a feature; the features are age,"):
        parse_columns(text + AUDITED, "x.yaml")


def test_words_have_defaults() -> None:
    """Without words for a row and the outcome, sentences are about rows with the outcome."""
    words = ("title:", "subject:", "subjects:", "probability_alias:", "  verb:")
    columns = parse_columns("\n".join(line for line in LINES if not line.startswith(words)), "x")
    assert (columns.subject, columns.subjects, columns.title) == ("row", "rows", "")
    assert columns.label.predicate == "have the outcome “fail”"
    assert COLUMNS.label.predicate == "fail"


def test_all_errors_are_listed() -> None:
    """A file with several errors is mended in one go."""
    text = TEXT.replace("    low: 15\n", "").replace("step: 0.1", "step: -1")
    text = text.replace("raw: Age", "rw: Age")
    with pytest.raises(ColumnsError) as raised:
        parse_columns(text, "x.yaml")
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()[1:]] == [
        *("features[0].raw", "features[0].low", "features[0].rw"),
        *("features[2].step", "features[4].step"),
    ]


def test_an_empty_file_lists_what_is_needed() -> None:
    """A file without content has an error, not a crash."""
    with pytest.raises(ColumnsError, match="must be a mapping of fields to values"):
        parse_columns("", "x.yaml")


def test_aliases_are_refused() -> None:
    """An alias could stand for a billion values."""
    text = TEXT.replace("subject: student", "subject: &s student").replace(": students", ": *s")
    with pytest.raises(ColumnsError, match=r"aliases \(\*name\) are not supported"):
        parse_columns(text, "x.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("no", "no"), ("yes", "yes"), ("on", "on"), ("true", True), ("~", None), ("", None)),
        *(("1", 1), ("-1", -1), ("1.0", 1.0), ("1e3", 1000.0), (".5", 0.5), ("'1'", "1")),
        *(("1:30", "1:30"), ("0x1f", "0x1f"), ("1_000", "1_000"), ("2026-01-01", "2026-01-01")),
    ],
)
def test_plain_values(text: str, value: Any) -> None:
    """A category may be called `no`, and only plain decimal numbers are numbers."""
    (parsed,) = yaml_tree.parse(f"- {text}")[0]
    assert (parsed, type(parsed)) == (value, type(value))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and one that is not UTF-8 are named."""
    with pytest.raises(ColumnsError, match=r"nowhere.yaml cannot be read: No such file"):
        read_columns(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"subject: \xe9l\xe8ve")
    with pytest.raises(ColumnsError, match=r"latin.yaml cannot be read: it is not UTF-8"):
        read_columns(tmp_path / "latin.yaml")


def test_the_schema_accepts_the_survey_and_refuses_other_fields() -> None:
    """Editors complete and check the file by the schema that its first line names."""
    path = BUNDLED.parent / LINES[0].partition("$schema=")[2]
    schema = json.loads(path.read_text())
    parsed = yaml_tree.parse(TEXT)[0]
    jsonschema.validate(parsed, schema)
    parsed["features"][0]["lo"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(parsed, schema)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("pipeline", "features", "--run-id", "x"), stages.EXIT_PERMANENT),
        (("serving",), stages.EXIT_FAILED),
    ],
)
def test_programs_report_the_errors(command: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """A stage and the predictor print the errors of the file without a traceback."""
    path = tmp_path / "own.yaml"
    path.write_text(TEXT.replace("    low: 15\n", ""))
    process = subprocess.run(
        [sys.executable, "-m", *command],
        env={"MLOPS_COLUMNS": str(path), "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == code
    assert "features[0].low: is missing" in process.stderr
    assert "Traceback" not in process.stderr


def test_the_hash_covers_what_a_model_depends_on() -> None:
    """Comments and texts for people do not change it; ranges, codes and the order do."""
    same = [
        TEXT.replace("subject:", "# a comment\nsubject:"),
        TEXT.replace("Age of the student", "Age"),
        TEXT.replace("low: 15\n    high: 100", "high: 100.0\n    low: 15"),
        TEXT.replace("codes: {non_stem: 0, stem: 1}", "codes: {stem: 1, non_stem: 0}").replace(
            "[0.154, 0.846]", "[0.846, 0.154]"
        ),
    ]
    features = TEXT.index("  - kind: number\n    name: sleep"), TEXT.index("label:")
    other = [
        TEXT.replace("high: 100", "high: 101"),
        TEXT.replace("{non_stem: 0, stem: 1}", "{non_stem: 1, stem: 0}"),
        TEXT.replace("positive_raw: 0", "positive_raw: 2"),
        TEXT.replace("step: 1\n", "step: 1\n    required: false\n"),
        TEXT.replace("step: 1\n", "step: 1\n    until: 2026-01-31\n"),
        TEXT.replace("step: 1\n", "step: 1\n    until: 2026-01-31\n").replace("years", "days"),
        TEXT.replace("features:\n", "features:\n" + TEXT[slice(*features)]).replace(
            TEXT[slice(*features)] + "label:", "label:"
        ),
    ]
    assert TEXT not in [*same, *other]
    assert {compute_hash(parse_columns(text, "x")) for text in same} == {COLUMNS_SHA256}
    changed = {compute_hash(parse_columns(text, "x")) for text in other}
    assert len(changed) == len(other)
    assert COLUMNS_SHA256 not in changed


def change_label(positive: Any, negative: Any) -> Label:
    return dataclasses.replace(LABEL, positive_raw=positive, negative_raw=negative)


@pytest.mark.parametrize(
    ("positive", "negative", "values"),
    [
        (0, 1, {0: True, "0.0": True, "0": True, 1: False, 2: None, "x": None, "": None}),
        ("<10", ">=10", {9: True, "9.5": True, 10: False, "20": False, "x": None, None: None}),
        (("A", "B"), "C", {"A": True, " B ": True, "C": False, "D": None, 1: None}),
        ("yes", "no", {"yes": True, "no": False, "YES": None}),
        ((1, 2), (3, "4"), {1: True, "2": True, 3: False, 4: False, 5: None}),
    ],
)
def test_outcomes(positive: Any, negative: Any, values: dict[Any, bool | None]) -> None:
    """An outcome is a value, several, or a comparison; other values are neither."""
    label = change_label(positive, negative)
    assert {value: label.is_positive(value) for value in values} == values
    assert [label.is_positive(value) for value in label.example_raw] == [True, False]


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("0", "0"), ("[0, 2]", "[1, 2]"), ("<10", "9"), ("<=10", "'>=10'"), ("a", "a")],
)
def test_outcomes_may_not_overlap(positive: str, negative: str) -> None:
    """A value that is both outcomes is an error."""
    text = TEXT.replace("positive_raw: 0", f"positive_raw: {positive}")
    text = text.replace("negative_raw: 1", f"negative_raw: {negative}")
    with pytest.raises(ColumnsError, match=r"negative_raw: .* is the positive outcome already"):
        parse_columns(text, "x.yaml")


def test_the_tests_use_the_survey(tmp_path: Path) -> None:
    """They pass for a user who works with another columns file."""
    other = tmp_path / "other.columns.yaml"
    other.write_text(TEXT.replace("name: course", "name: subject"))
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", f"{__file__}::test_audit_only_columns"],
        cwd=ROOT,
        env=os.environ | {"MLOPS_COLUMNS": str(other)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
