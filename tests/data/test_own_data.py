"""docs/how-to/bring-your-own-data.md, done: another table through the stages by another pipeline/columns.py alone."""

from __future__ import annotations

import csv
import filecmp
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.predictor import running

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-to" / "bring-your-own-data.md"
CODE = ("pipeline", "serving")
ROWS = 400
SECONDS = (
    600  # for six commands that each start Python and MLflow anew, on a machine that may be busy
)


def block(language: str) -> str:
    """The guide's first block of that language."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def machines() -> bytes:
    """Machines with the guide's header: those that shake or were not serviced for long break down more often."""
    draw = random.Random(5)
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(
        [
            "Type (A=1, B=2, C=3)",
            "Hours since service",
            "Vibration (mm/s)",
            "Broke down (1=Yes, 0=No)",
        ]
    )
    for _ in range(ROWS):
        hours, vibration = draw.randint(0, 1_000), round(draw.uniform(0.5, 9.5), 1)
        broke = draw.random() < 0.02 + 0.35 * (hours > 700) + 0.35 * (vibration > 6)
        table.writerow([draw.randint(1, 3), hours, vibration, int(broke)])
    return file.getvalue().encode()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code whose table is the guide's, and the file beside it."""
    folder = tmp_path_factory.mktemp("workshop")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    columns = folder / "pipeline" / "columns.py"
    text = columns.read_text()
    start, end = text.index("SUBJECT, SUBJECTS ="), text.index("FEATURE_NAMES: ")
    columns.write_text(text[:start] + block("python") + "\n" + text[end:])
    (folder / "machines.csv").write_bytes(machines())
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Runs Python there, on the copy; what it printed on standard output."""
    settings = {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_INGEST__SOURCE": "machines.csv",
        "MLOPS_MLFLOW__NAME": "machines",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def trained(workshop: Path) -> Path:
    """The workshop after the stages of training."""
    for stage in ("ingest", "preprocess", "features", "train", "evaluate", "register"):
        run(workshop, "-m", "pipeline", stage, "--run-id", "first")
    return workshop


def asked(url: str, path: str, body: object = None) -> Any:
    """The predictor's answer, as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def differing(comparison: filecmp.dircmp[str]) -> Iterator[str]:
    yield from comparison.diff_files
    for below in comparison.subdirs.values():
        yield from differing(below)


def test_one_file_differs(workshop: Path) -> None:
    """Between the copy and this code, no file but the table is another one."""
    changed = [
        name
        for package in CODE
        for name in differing(filecmp.dircmp(ROOT / package, workshop / package))
    ]
    assert changed == ["columns.py"]


def test_the_guides_header_is_the_tables(workshop: Path) -> None:
    """The example file that the guide shows has the header that its table names."""
    header = json.loads(
        run(workshop, "-c", "import json, pipeline.columns as c; print(json.dumps(c.RAW_HEADER))")
    )
    assert next(csv.reader(io.StringIO(block("csv")))) == header


@pytest.mark.timeout(SECONDS)
def test_the_stages_take_the_table(trained: Path) -> None:
    """Every row is taken, and the model that comes out of it learned something."""
    lake = trained / "lake"
    gold = json.loads((lake / "gold/first/manifest.json").read_text())
    assert sum(part["rows"] for part in gold["splits"].values()) == ROWS
    evaluation = json.loads((lake / "reports/first/evaluation.json").read_text())
    assert evaluation["metrics"]["roc_auc"]["value"] > 0.7


def test_the_sample_generator_draws_the_table(workshop: Path) -> None:
    """`sample` has the other header and outcome rate too."""
    text = run(
        workshop,
        "-c",
        "from pipeline.data.synthetic import generate_csv; print(generate_csv(2000, 1).decode())",
    )
    rows = [line for line in csv.DictReader(io.StringIO(text)) if line]
    broken = sum(row["Broke down (1=Yes, 0=No)"] == "1" for row in rows)
    assert broken / len(rows) == pytest.approx(0.1, abs=0.03)


@pytest.mark.timeout(SECONDS)
def test_the_predictor_speaks_of_the_table(trained: Path) -> None:
    """The API takes the other columns, and tells the page of them: nothing of the survey is left."""
    with running(trained, None, code=trained) as url:
        columns = asked(url, "columns")
        worn = {"type": "c", "service_hours": 950, "vibration": 9}
        sound = {"type": 1, "service_hours": 10, "vibration": 1}
        high, low = asked(url, "predict", [worn, sound])["predictions"]
    assert columns["subject"] == "machine"
    assert [feature["name"] for feature in columns["features"]] == [
        "type",
        "service_hours",
        "vibration",
    ]
    assert high["fail_probability"] > low["fail_probability"]
    assert (high["label"], low["label"]) == ("breaks", "runs")
