"""A model of 12 features: every part of an explanation, in the API and on the page."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.__main__ import main
from pipeline.column_file.reader import read_columns
from tests.support.page import Visit, to_number
from tests.support.predictor import ROOT, start_predictor, wait_until_ready

N_FEATURES = 12


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The columns file that `adopt` writes for a table of 12 features with blanks, and a label."""
    folder = tmp_path_factory.mktemp("wide")
    generator = random.Random(0)
    names = [f"value {number}" for number in range(N_FEATURES - 1)]
    with (folder / "wide.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "kind", "result"])
        for _ in range(300):
            values: list[float | str] = [round(generator.random(), 2) for _ in names]
            values[2] = generator.choice([values[2], ""])
            kind = generator.choice(["red", "green", "blue", ""])
            writer.writerow([*values, kind, "bad" if generator.random() < 0.3 else "good"])
    assert main(["adopt", "--data", str(folder / "wide.csv"), "--label=result"]) == 0
    return folder / "wide.columns.yaml"


@pytest.fixture(scope="module")
def differences(columns: Path) -> dict[str, float]:
    """What tests.support.wide_bundle prints; it writes a bundle for such a table."""
    program = [sys.executable, "-m", "tests.support.wide_bundle", str(columns.parent)]
    environment = os.environ | {"MLOPS_COLUMNS": str(columns), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(program, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    printed: dict[str, float] = json.loads(done.stdout)
    return printed


@pytest.fixture(scope="module")
def wide_url(columns: Path, differences: dict[str, float]) -> Iterator[str]:
    """A predictor of such a table, with a calibrated model and its refits."""
    assert differences
    with start_predictor(columns.parent, {"MLOPS_COLUMNS": str(columns)}) as predictor:
        wait_until_ready(predictor)
        yield predictor.url


@pytest.fixture
def row(columns: Path) -> dict[str, Any]:
    """The example of each feature."""
    return {feature.name: feature.example for feature in read_columns(columns).features}


def test_every_candidate_is_explained(differences: dict[str, float]) -> None:
    """`train` selects none that the predictor cannot explain."""
    assert len(differences) > 3
    assert differences == pytest.approx(dict.fromkeys(differences, 0), abs=1e-5)


def test_contributions_add_up_to_the_log_odds(wide_url: str, row: dict[str, Any]) -> None:
    """With the stability and the words that models of any width have."""
    rows = [row | {"value_0": value / 4, "value_1": 0.9} for value in range(5)]
    rows += [row | {"value_2": None}, row | {"value_2": None, "kind": None}]
    response = httpx.post(f"{wide_url}/predict?explain=true", json=rows, timeout=60)
    assert response.status_code == httpx.codes.OK, response.text
    probabilities = set()
    for answer in response.json()["predictions"]:
        explanation = answer["explanation"]
        assert explanation["scale"] == "log_odds"
        assert list(explanation["contributions"]) == list(row)
        total = explanation["base"] + sum(explanation["contributions"].values())
        assert 1 / (1 + math.exp(-total)) == pytest.approx(answer["probability"], abs=1e-6)
        assert answer["stability"] <= 1
        assert answer["unsure"] == (answer["stability"] < 0.8)
        assert answer["verdict"]
        assert answer["risk"]
        probabilities.add(answer["probability"])
    assert len(probabilities) > 2


def test_the_page_lists_the_largest_contributions(
    visit: Visit, wide_url: str, row: dict[str, Any]
) -> None:
    """In log-odds, with one line for all others, so that the lines add up."""
    page = visit(wide_url)
    answer = httpx.post(f"{wide_url}/predict?explain=true", json=row, timeout=60).json()
    explanation = answer["predictions"][0]["explanation"]
    lines = page.locator("#why tbody td.number").all_inner_texts()
    shown = [to_number(text) for text in lines]
    largest = sorted(explanation["contributions"].values(), key=abs, reverse=True)[:10]
    assert shown[:10] == pytest.approx(largest, abs=0.0051)
    assert len(shown) == 11
    base, total = map(to_number, page.locator("#why tfoot .number").all_inner_texts())
    assert base == pytest.approx(explanation["base"], abs=0.0051)
    assert base + sum(shown) == pytest.approx(total, abs=0.06)
    assert "log-odds" in page.locator("#why").inner_text().lower()
