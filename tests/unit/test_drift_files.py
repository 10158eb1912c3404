"""`python -m pipeline drift --reference FILE --current FILE --out DIR` and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.__main__ import main
from pipeline.columns import FEATURES, LABEL, Category
from pipeline.data.synthetic import generate_csv
from pipeline.drift.columns import PREDICTION
from pipeline.drift.files import load_file
from pipeline.errors import DataError, SourceError
from pipeline.stages import EXIT_SKIPPED
from tests.support.rows import make_students

OUTPUTS = {"drift_report.json", "drift_report.html", "drift_page.html"}


def command(reference: Path, current: Path, out: Path) -> int:
    return main(
        ["drift", "--reference", str(reference), "--current", str(current), "--out", str(out)]
    )


def report_in(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "drift_report.json").read_bytes())
    return report


@pytest.fixture
def raw(tmp_path: Path) -> tuple[Path, Path]:
    """Two raw survey files with the same distributions."""
    paths = tmp_path / "reference.csv", tmp_path / "current.csv"
    for seed, path in enumerate(paths):
        path.write_bytes(generate_csv(500, seed))
    return paths


def test_no_drift(raw: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Similar files with the raw header: exit code 99, labels compared, all reports written.

    The lake is not used, so that an erasure that is running does not refuse the check.
    """
    monkeypatch.setenv("MLOPS_LAKE__URL", f"file://{tmp_path}/lake")
    assert command(*raw, tmp_path / "new" / "out") == EXIT_SKIPPED
    report = report_in(tmp_path / "new" / "out")
    assert (report["verdict"], report["retraining"], report["prediction"]) == ("none", None, None)
    assert report["label"]["reference"]["counts"].keys() == {LABEL.positive, LABEL.negative}
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == OUTPUTS
    assert not (tmp_path / "lake").exists()


def test_drift_of_other_formats(tmp_path: Path) -> None:
    """Drift: exit code 0; formats, codes and category names in any case mix; others are ignored."""
    reference, current = make_students(400, 1), make_students(400, 2, age=10)
    reference.to_parquet(tmp_path / "reference.parquet")
    named = {
        feature.name: current[feature.name].map(feature.names).str.upper()
        for feature in FEATURES
        if isinstance(feature, Category)
    }
    current.assign(**named, teacher="A").to_csv(tmp_path / "current.csv", index=False)
    assert command(tmp_path / "reference.parquet", tmp_path / "current.csv", tmp_path) == 0
    report = report_in(tmp_path)
    assert [name for name, column in report["features"].items() if column["drifted"]] == ["age"]
    assert report["prediction"] is not None


def test_needs_no_lake_and_no_registry(raw: tuple[Path, Path], tmp_path: Path) -> None:
    """The command works without a lake and a registry, and creates neither."""
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = os.environ | {
        "MLOPS_LAKE__URL": "s3://nowhere",
        "MLOPS_LAKE__ENDPOINT": "http://127.0.0.1:9",
        "MLOPS_MLFLOW__TRACKING_URI": "http://127.0.0.1:9",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    arguments = ["--reference", str(raw[0]), "--current", str(raw[1]), "--out", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "drift", *arguments],
        cwd=empty,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == EXIT_SKIPPED, done.stderr.decode()
    assert {path.name for path in empty.iterdir()} == OUTPUTS


def test_too_few_rows(raw: tuple[Path, Path], tmp_path: Path) -> None:
    """Without a verdict the exit code is 99, and only the JSON report is written."""
    raw[1].write_text("".join(raw[1].read_text().splitlines(keepends=True)[:50]))
    assert command(*raw, tmp_path / "out") == EXIT_SKIPPED
    assert report_in(tmp_path / "out")["verdict"] == "not enough data"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"drift_report.json"}


HEADER = "age,course,sleep_hours,relationship,review_hours"


class TestErrors:
    """Exit code 1 and a message; existing reports are kept."""

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (None, "cannot be read"),
            ("", "cannot be read"),
            ("Age,b\n1,2\n", "lacks the column 'course' ('Course (STEM=1, Non-STEM=0)')"),
            (
                f"{HEADER}\n31,stem,six,no,2\n",
                "row 1: 'sleep_hours' is 'six'; it must be a number",
            ),
            (
                f"{HEADER}\n31,stem,6,no,2\n31,arts,6,no,2\n",
                "row 2: 'course' is 'arts'; it must be a number or one of non_stem, stem",
            ),
        ],
    )
    def test_bad_file(
        self,
        raw: tuple[Path, Path],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        content: str | None,
        sentence: str,
    ) -> None:
        """For a missing or empty file, wrong columns or wrong values, the error names the file."""
        bad = tmp_path / "bad.csv"
        if content is not None:
            bad.write_text(content)
        (tmp_path / "drift_report.json").write_text("before")
        assert command(raw[0], bad, tmp_path) == 1
        error = capsys.readouterr().err
        assert "bad.csv" in error
        assert sentence in error
        assert (tmp_path / "drift_report.json").read_text() == "before"

    def test_bad_parquet(self, tmp_path: Path) -> None:
        """A file with the suffix .parquet and other content is an error of the source."""
        (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing more")
        with pytest.raises(SourceError, match=r"a\.parquet cannot be read"):
            load_file(tmp_path / "a.parquet")

    def test_incomplete_arguments(
        self, raw: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The three options belong together; without them a run id is required."""
        assert main(["drift", "--reference", str(raw[0])]) == 1
        assert "--reference, --current and --out belong together" in capsys.readouterr().err
        assert main(["drift"]) == 1
        assert "drift needs --run-id ID, or --reference FILE" in capsys.readouterr().err

    def test_unwritable_folder(
        self, raw: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The error has the option."""
        assert command(*raw, raw[0] / "out") == 1
        assert "Let --out name a writable folder" in capsys.readouterr().err


def test_missing_values_stay_missing(tmp_path: Path) -> None:
    """An empty cell of a number, a category or the label is a missing value."""
    raw = generate_csv(3, 1).decode().splitlines()
    (tmp_path / "a.csv").write_text("\n".join([raw[0], ",,,,,", *raw[2:]]))
    frame = load_file(tmp_path / "a.csv").frame
    assert frame.iloc[0].isna().all()
    assert frame.iloc[1:].notna().all().all()


def test_label_is_flipped(tmp_path: Path) -> None:
    """The raw label is converted: 1 is the rare outcome."""
    (tmp_path / "a.csv").write_bytes(generate_csv(2_000, 1))
    assert 0.02 < load_file(tmp_path / "a.csv").frame[LABEL.name].mean() < 0.1


def test_predictions_must_be_numbers(tmp_path: Path) -> None:
    """A file's column of predictions is read, and must be numeric."""
    make_students(3, 1).assign(**{PREDICTION: "high"}).to_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=f"'{PREDICTION}' is 'high'; it must be a number"):
        load_file(tmp_path / "a.csv")


def test_files_with_semicolons(tmp_path: Path) -> None:
    """A file is read by the delimiter that its header has, as `preprocess` reads it."""
    text = generate_csv(50, 1).decode()
    rows = list(csv.reader(io.StringIO(text)))
    (tmp_path / "comma.csv").write_text(text)
    with (tmp_path / "semicolon.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    comma, semicolon = (load_file(tmp_path / f"{name}.csv") for name in ("comma", "semicolon"))
    pd.testing.assert_frame_equal(comma.frame, semicolon.frame)
