"""docs/how-to/bring-your-own-data.md: another data set needs only a columns file.

With the guide's file, the code trains and serves a model of generated machines.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.predictor import start_predictor, wait_until_ready

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-to" / "bring-your-own-data.md"
COLUMNS = "machines.columns.yaml"
ROWS = 400
RAW_HEADER = [
    "Type (A=1, B=2, C=3)",
    "Hours since service",
    "Vibration (mm/s)",
    "Site (North=1, South=2)",
    "Broke down (1=Yes, 0=No)",
]
QUICK_TRAINING = {
    "MLOPS_TRAIN__FOLDS": "2",
    "MLOPS_BOOTSTRAP_SAMPLES": "50",
}
TRAIN = """
import sys
from pipeline.__main__ import main
for stage in ("ingest", "preprocess", "features", "train", "evaluate", "register"):
    if code := main([stage, "--run-id", "first"]):
        sys.exit(code)
"""
"""A program that runs the stages of training in one process, and stops at a failure."""


def get_block(language: str) -> str:
    """The guide's first code block in this language."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def generate_machines() -> bytes:
    """Machines that break down more often if they vibrate or were not serviced for long."""
    generator = random.Random(5)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(RAW_HEADER)
    for _ in range(ROWS):
        hours, vibration = generator.randint(0, 1_000), round(generator.uniform(0.5, 9.5), 1)
        risk = 0.02 + 0.35 * (hours > 700) + 0.35 * (vibration > 6)
        breaks = int(generator.random() < risk)
        kind, site = generator.randint(1, 3), generator.randint(1, 2)
        writer.writerow([kind, hours, vibration, site, breaks])
    return file.getvalue().encode()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the guide's columns file and a file of machines."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / COLUMNS).write_text(get_block("yaml"))
    (folder / "machines.csv").write_bytes(generate_machines())
    return folder


def run_python(folder: Path, program: str) -> str:
    """Run a program with the folder's columns file, and return its output."""
    settings = {
        "MLOPS_COLUMNS": COLUMNS,
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_INGEST__SOURCE": "machines.csv",
        "MLOPS_MLFLOW__NAME": "machines",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | settings | QUICK_TRAINING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


@pytest.fixture(scope="module")
def trained(workshop: Path) -> Path:
    """The folder after training."""
    run_python(workshop, TRAIN)
    return workshop


def test_generated_rows(workshop: Path) -> None:
    """The generator, the guide's table and the guide's file agree on the header."""
    program = (
        "from pipeline.data.synthetic import generate_csv; print(generate_csv(2000, 1).decode())"
    )
    header, *rows = [row for row in csv.reader(io.StringIO(run_python(workshop, program))) if row]
    assert header == RAW_HEADER == next(csv.reader(io.StringIO(get_block("csv"))))
    assert sum(row[-1] == "1" for row in rows) / len(rows) == pytest.approx(0.1, abs=0.03)


def test_training(trained: Path) -> None:
    """Every row is used, and the model ranks machines by their risk."""
    lake = trained / "lake"
    gold = json.loads((lake / "gold/first/manifest.json").read_text())
    assert sum(split["rows"] for split in gold["splits"].values()) == ROWS
    evaluation = json.loads((lake / "reports/first/evaluation.json").read_text())
    assert evaluation["metrics"]["roc_auc"]["value"] > 0.7


def test_an_audit_only_column_divides_the_rows_into_groups(trained: Path) -> None:
    """Silver, gold and the group tables have it; the model's features do not."""
    lake = trained / "lake"
    gold = json.loads((lake / "gold/first/manifest.json").read_text())
    assert gold["columns"] == ["type", "service_hours", "vibration", "site", "breakdown"]
    evaluation = json.loads((lake / "reports/first/evaluation.json").read_text())
    sites = {
        group["name"]: group["rows"]
        for group in evaluation["groups"]
        if group["name"].startswith("site ")
    }
    rows = gold["splits"]["train"]["rows"]
    assert sites.keys() == {"site north", "site south"}
    assert (sum(sites.values()), min(sites.values()) > rows / 3) == (rows, True)
    compared = [one["group"] for one in evaluation["group_differences"]]
    assert compared.count("site north") == 2
    card = (lake / "reports/first/model_card.md").read_text()
    assert "No model sees `site`." in card
    assert "| north, south | audit only |" in card
    assert "student" not in card.lower().replace("students.parquet", "")
    manifest = json.loads((lake / "models/manifest.json").read_text())
    assert manifest["features"] == ["type", "service_hours", "vibration"]


def test_predictor(trained: Path) -> None:
    """The API has the columns and labels of the table, and nothing of the survey."""
    with start_predictor(trained, {"MLOPS_COLUMNS": str(trained / COLUMNS)}) as predictor:
        wait_until_ready(predictor)
        columns = httpx.get(f"{predictor.url}/columns").json()
        worn = {"type": "c", "service_hours": 950, "vibration": 9}
        sound = {"type": 1, "service_hours": 10, "vibration": 1}
        response = httpx.post(f"{predictor.url}/predict", json=[worn, sound])
        refused = httpx.post(f"{predictor.url}/predict", json=worn | {"site": 1})
        schema = httpx.get(f"{predictor.url}/openapi.json").text
    high, low = response.json()["predictions"]
    assert columns["subject"] == "machine"
    names = [feature["name"] for feature in columns["features"]]
    assert names == ["type", "service_hours", "vibration"]
    assert (refused.status_code, "Site (North" in schema) == (422, False)
    assert '"site"' not in schema
    assert high["fail_probability"] > low["fail_probability"]
    assert (high["label"], low["label"]) == ("breaks", "runs")
