"""The stage `score` predicts as the predictor does."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pipeline.columns import FEATURES, LABEL, Category
from pipeline.context import Context
from pipeline.data.synthetic import generate_csv
from pipeline.model.bundle import write_fallback
from pipeline.stages import score
from pipeline.storage.layout import scores_table
from tests.support.forest import make_bundle


@pytest.fixture
def batch(make_context: Callable[..., Context], tmp_path: Path) -> list[dict[str, str]]:
    """Predictions of generated rows, and of two with unusual values, by the predictor's bundle."""
    context = make_context()
    write_fallback(context.lake, make_bundle())
    lines = generate_csv(400, seed=5).decode().splitlines()
    lines += ["80,1,6.8,0,2.1,1", "31,0,23.5,0.5,9.5,1"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    score.run(context, data=tmp_path / "a.csv")
    key = scores_table(f"{datetime.now(UTC):%Y-%m-%d}", "run-1", "a.csv", "csv")
    return list(csv.DictReader(io.StringIO(context.lake.read(key).decode())))


def test_batch_and_predictor_agree(
    batch: list[dict[str, str]], client: httpx.Client, tmp_path: Path
) -> None:
    """Labels, probabilities and warnings are equal, to the last digit."""
    text = (tmp_path / "a.csv").read_text()
    rows = csv.DictReader(io.StringIO(text))
    requests = [
        {
            feature.name: float(row[feature.raw])
            if isinstance(feature, Category) or not feature.is_integer
            else int(float(row[feature.raw]))
            for feature in FEATURES
        }
        for row in rows
    ]
    answer = client.post("/predict", json=requests).raise_for_status().json()
    assert [(row["label"], float(row["probability"]), row["model_version"]) for row in batch] == [
        (item["label"], item["probability"], "1") for item in answer["predictions"]
    ]
    assert {row["label"] for row in batch} == {LABEL.positive, LABEL.negative}

    headers = {"Content-Type": "text/csv"}
    response = client.post("/predict/csv", content=text.encode(), headers=headers)
    table = csv.DictReader(io.StringIO(response.raise_for_status().text))
    assert [row["warning"] for row in batch] == [row["warning"] for row in table]
    assert sum(row["warning"] != "" for row in batch) >= 2
