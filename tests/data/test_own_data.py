"""docs/how-to/bring-your-own-data.md: `adopt` describes a table, and a model of it is served.

The guide's command and additions are applied to a file of generated machines.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from pipeline.__main__ import main
from pipeline.column_file.reader import read_columns
from tests.support.own_table import ROOT, run_program, run_stages
from tests.support.predictor import start_predictor, wait_until_ready

pytestmark = pytest.mark.timeout(600)
GUIDE = ROOT / "docs" / "how-to" / "bring-your-own-data.md"
COLUMNS = "machines.columns.yaml"
ROWS, MACHINES = 400, 250
RAW_HEADER = ["Type", "Hours since service", "Vibration (mm/s)", "Site", "Broke down"]
FEATURES = ["type", "hours_since_service", "vibration_mm_s"]
PREPARE = ("ingest", "preprocess", "features")
DEPLOY = (*PREPARE, "train", "evaluate", "register", "validate", "promote")
CHECK_DRIFT = """
from pipeline.__main__ import main
main(["drift", "--run-id", "check", "--silver", "first"])
"""
SUMMARIZE = """
import sys
from pipeline.commands import run, run_summary
from pipeline.context import open_context
from pipeline.drift.report import Report
from pipeline.settings import Settings
from pipeline.storage.layout import drift_report
context = open_context(Settings.load(), "first")
report = context.lake.read_model(drift_report("check"), Report)
answer = run.predict(sys.argv[1])
run_summary.show(context, {"ingest": 1.0}, {}, answer, {"normal": report})
"""
FOREIGN = re.compile(r"student|fail", re.IGNORECASE)
TECHNICAL = (
    "student-mlops",  # the platform
    "predictor_shadow_rows_failed",  # a metric
    '"gate.failed": "failed"',  # the verdict on a gate
)
"""The only phrases of a rendered text in which FOREIGN may occur."""
PATHS = (
    *("", "docs", "columns", "model", "metrics", "openapi.json", "page/words/en.js", "v2"),
    *("v2/models/machines", "reports/card", "reports/gates", "reports/data", "reports/drift"),
)
"""What the predictor renders."""


def get_blocks(language: str) -> list[str]:
    """The guide's code blocks in this language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def generate_machines() -> bytes:
    """Machines that break down more often if they vibrate or were not serviced for long."""
    generator = random.Random(5)
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";")
    writer.writerow(["Machine", "Month", *RAW_HEADER])
    for number in range(ROWS):
        hours, vibration = generator.randint(0, 1_000), round(generator.uniform(0.5, 9.5), 1)
        risk = 0.02 + 0.35 * (hours > 700) + 0.35 * (vibration > 6)
        breaks = "yes" if generator.random() < risk else "no"
        kind = generator.choice(["Lathe", "Mill", "Press"])
        site = generator.choice(["North", "South"])
        machine, month = f"M-{number % MACHINES + 1:04}", f"2026-{1 + 4 * number // ROWS:02}"
        writer.writerow([machine, month, kind, hours, vibration, site, breaks])
    return file.getvalue().encode()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of machines, and the columns file that the guide leads to."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "machines.csv").write_bytes(generate_machines())
    adopt, *_ = get_blocks("sh")
    command = shlex.split(adopt)
    assert command[:2] == ["make", "adopt"]
    given = dict(argument.split("=", 1) for argument in command[2:])
    data = str(folder / given.pop("DATA"))
    options = [f"--{name.lower()}={value}" for name, value in given.items()]
    assert main(["adopt", "--data", data, *options]) == 0
    with (folder / COLUMNS).open("a") as file:
        file.write(next(block for block in get_blocks("yaml") if "sample_effects" in block))
    return folder


@pytest.fixture(scope="module")
def trained(workshop: Path) -> Path:
    """The folder with a model in production.

    It was trained on the file with two more rows that break the contract. `run.log` has the logs.
    """
    with (workshop / "machines.csv").open("a") as file:
        file.write("M-9001;2026-01;Drill;100;2.0;North;no\r\n")
        file.write("M-9002;2026-01;Mill;100;2.0;North;maybe\r\n")
    log = run_stages(workshop, "machines", *DEPLOY)
    log += run_program(workshop, "machines", CHECK_DRIFT)
    (workshop / "run.log").write_text(log)
    return workshop


def test_generated_rows(workshop: Path) -> None:
    """The generator, the guide's table and the guide's file agree on the header."""
    program = (
        "from pipeline.data.synthetic import generate_csv; print(generate_csv(2000, 1).decode())"
    )
    generated = run_program(workshop, "machines", program)
    header, *rows = [row for row in csv.reader(io.StringIO(generated)) if row]
    shown = next(csv.reader(io.StringIO(get_blocks("csv")[0]), delimiter=";"))
    assert header == [*RAW_HEADER, "Machine", "Month"]
    assert shown == ["Machine", "Month", *RAW_HEADER]
    assert {row[0] for row in rows} == {"Lathe", "Mill", "Press"}
    rate = read_columns(workshop / COLUMNS).label.rate
    broken = sum(row[len(RAW_HEADER) - 1] == "yes" for row in rows)
    assert broken / len(rows) == pytest.approx(rate, abs=0.03)


def test_the_guide_shows_what_adopt_writes(workshop: Path) -> None:
    """The excerpts of the columns file are in the file; another block has values of the chart."""
    text = (workshop / COLUMNS).read_text()
    blocks = [block for block in get_blocks("yaml") if not block.startswith("images:")]
    assert len(blocks) > 1
    for block in blocks:
        assert block in text


def test_training(trained: Path) -> None:
    """Every valid row is used, and the model ranks machines by their risk."""
    lake = trained / "lake"
    gold = json.loads((lake / "gold/first/manifest.json").read_text())
    assert sum(split["rows"] for split in gold["splits"].values()) + gold["left_out"] == ROWS
    assert gold["splits"]["test"]["terms"] == ["2026-04", "2026-04"]
    rejected = (lake / "silver/first/rejected.csv").read_text()
    assert "'Type' must be one of Lathe, Mill, Press" in rejected
    assert "'Broke down' must be one of yes, no" in rejected
    evaluation = json.loads((lake / "reports/first/evaluation.json").read_text())
    assert evaluation["metrics"]["roc_auc"]["value"] > 0.7
    card = (lake / "reports/first/model_card.md").read_text()
    assert "the newest `month`: 2026-04. No `machine` is in two splits" in card


def test_no_machine_is_stored(trained: Path) -> None:
    """No file that training wrote has a key, neither in the lake nor in MLflow."""
    wrote = [path for path in trained.rglob("*") if path.is_file() and path.suffix != ".csv"]
    wrote += list((trained / "lake").rglob("*.csv"))
    assert {path.suffix for path in wrote} >= {".csv", ".json", ".md", ".html", ".onnx", ".db"}
    for path in wrote:
        assert b"M-0" not in path.read_bytes(), path


def test_an_audit_only_column_divides_the_rows_into_groups(trained: Path) -> None:
    """Silver, gold and the group tables have it; the model's features do not."""
    lake = trained / "lake"
    gold = json.loads((lake / "gold/first/manifest.json").read_text())
    roles = ["machine", "month", "split_unit"]
    assert gold["columns"] == [*FEATURES, "site", "broke_down", *roles]
    evaluation = json.loads((lake / "reports/first/evaluation.json").read_text())
    sites = {
        group["name"]: group["rows"]
        for group in evaluation["groups"]
        if group["name"].startswith("site ")
    }
    rows = gold["splits"]["train"]["rows"]
    assert sites.keys() == {"site North", "site South"}
    assert (sum(sites.values()), min(sites.values()) > rows / 3) == (rows, True)
    compared = [one["group"] for one in evaluation["group_differences"]]
    assert compared.count("site North") == 2
    card = (lake / "reports/first/model_card.md").read_text()
    assert "No model sees `site`." in card
    assert "| North, South | audit only |" in card
    manifest = json.loads((lake / "models/manifest.json").read_text())
    assert manifest["features"] == ["type", "hours_since_service", "vibration_mm_s"]


def test_reports_have_only_the_words_of_the_table(trained: Path) -> None:
    """Logs, reports, cards, manifests and MLflow's tags take them from the columns file.

    Evidently's page has Evidently's own program, and is left out.
    """
    suffixes = (".html", ".md", ".json", ".jsonl", ".csv", ".svg", ".log")
    files = [path for path in trained.rglob("*") if path.suffix in suffixes]
    texts = {path.name: path.read_text() for path in files if path.name != "drift_report.html"}
    assert {"run.log", "model_card.html", "validation.html", "drift_page.html"} <= texts.keys()
    with closing(sqlite3.connect(trained / "local" / "mlflow.db")) as database:
        stored = [line for line in database.iterdump() if line.startswith("INSERT")]
    texts["mlflow.db"] = "\n".join(stored)
    found = {name: find_foreign_words(text) for name, text in texts.items()}
    assert [(name, lines) for name, lines in found.items() if lines] == []


def find_foreign_words(text: str) -> list[str]:
    """Return the lines that speak of students or of failing."""
    for phrase in TECHNICAL:
        text = text.replace(phrase, "")
    return [line[:200] for line in text.splitlines() if FOREIGN.search(line)]


def test_predictor(trained: Path) -> None:
    """The API has the columns, labels and words of the table, and nothing of the survey."""
    with start_predictor(trained, {"MLOPS_COLUMNS": str(trained / COLUMNS)}) as predictor:
        wait_until_ready(predictor)
        columns = httpx.get(f"{predictor.url}/columns").json()
        worn = {"type": "lathe", "hours_since_service": 950, "vibration_mm_s": 9}
        sound = {"type": 1, "hours_since_service": 10, "vibration_mm_s": 1}
        response = httpx.post(f"{predictor.url}/predict", json=[worn, sound])
        refused = httpx.post(f"{predictor.url}/predict", json=worn | {"site": 1})
        schema = httpx.get(f"{predictor.url}/openapi.json").text
        explained = httpx.post(f"{predictor.url}/predict?explain=true", json=sound)
        rendered = [
            httpx.get(f"{predictor.url}/{path}", follow_redirects=True).raise_for_status().text
            for path in PATHS
        ]
        summary = run_program(trained, "machines", SUMMARIZE, predictor.url)
    found = find_foreign_words("\n".join([*rendered, response.text, explained.text, summary]))
    assert found == []
    assert response.json()["predictions"][0].keys() == {"label", "probability"}
    assert "Machines predictor" in schema
    assert "Production: machines version 1" in summary
    high, low = response.json()["predictions"]
    names = [feature["name"] for feature in columns["features"]]
    assert names == FEATURES
    assert (refused.status_code, "Site (North" in schema) == (422, False)
    assert '"site"' not in schema
    assert high["probability"] > low["probability"]
    assert (high["label"], low["label"]) == ("Broke down is yes", "Broke down is no")


if "TEST_UCI" in os.environ:  # path of the UCI file: 33 columns of numbers and text

    def test_uci_student_performance(tmp_path: Path) -> None:
        """Every row of P. Cortez's table (2008) is used; the earlier marks are leaks."""
        data = tmp_path / "uci.csv"
        data.write_bytes(Path(os.environ["TEST_UCI"]).read_bytes())
        assert main(["adopt", f"--data={data}", "--label=G3", "--positive=<10"]) == 0
        columns = read_columns(tmp_path / "uci.columns.yaml")
        header = data.read_text().splitlines()[0].split(",")
        assert [feature.raw for feature in columns.features] == header[:-3]
        assert (header[-3:], columns.label.rate) == (["G1", "G2", "G3"], 0.324051)
        run_stages(tmp_path, "uci", *PREPARE)
        gold = json.loads((tmp_path / "lake/gold/first/manifest.json").read_text())
        assert sum(split["rows"] for split in gold["splits"].values()) == 395
