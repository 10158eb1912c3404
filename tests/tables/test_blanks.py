"""Blanks are kept by every part: data stages, models, predictor and drift check."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from skops.io import dumps, get_untrusted_types

from pipeline.column_file.blanks import is_blank
from pipeline.column_file.kinds import OTHER
from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, Category, Feature, Number
from pipeline.context import Context, open_context
from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data_check.report import read_data_check
from pipeline.deployment.predictor_client import to_request_row
from pipeline.drift.columns import feature_columns
from pipeline.drift.comparison import compare_columns
from pipeline.drift.data import load_live_traffic
from pipeline.model.bundle import Bundle, Manifest
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import TRUSTED_TYPES, make_candidates
from pipeline.model.export import max_onnx_difference, to_onnx
from pipeline.model.families import Candidate, make_plain_logistic
from pipeline.model.rules import find_best_rule
from pipeline.model.selection import Selection
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.settings.drift import DriftSettings
from pipeline.settings.training import TrainSettings
from pipeline.stages import score
from pipeline.storage.artifacts.data import SilverManifest
from pipeline.storage.layout import silver_manifest
from tests.support.predictor import open_disk_lake, serve_bundle, wait_for
from tests.support.tables import DATA, VARIABLE

OPTIONAL = [feature for feature in FEATURES if not feature.required]
REQUIRED = [feature for feature in FEATURES if feature.required]
TOLERANCE = 1e-5


@pytest.fixture(scope="session")
def cells() -> list[dict[str, str]]:
    """The rows of the file."""
    with (Path(os.environ[VARIABLE]) / DATA).open(newline="") as file:
        return list(csv.DictReader(file))


def list_headers(feature: Feature) -> list[str]:
    """Headers of the columns that a feature is read from."""
    end = feature.until_column if isinstance(feature, Number) else ""
    return [feature.raw, *([end] if end else [])]


def test_silver_keeps_the_blanks(
    context: Context, silver: pd.DataFrame, cells: list[dict[str, str]]
) -> None:
    """No row is rejected for a blank; manifest and data check count what the file has."""
    manifest = context.lake.read_model(silver_manifest("run-1"), SilverManifest)
    counts = {
        feature.name: sum(
            any(is_blank(row[header]) for header in list_headers(feature)) for row in cells
        )
        for feature in OPTIONAL
    }
    assert min(counts.values()) > 0
    assert (manifest.rejected, manifest.rows, manifest.blanks) == (0, len(cells), counts)
    assert silver[list(FEATURE_NAMES)].isna().sum().to_dict() == counts | {
        feature.name: 0 for feature in REQUIRED
    }
    check = read_data_check(context.lake, "run-1")
    assert check
    assert {one.name: one.blanks for one in check.features if one.blanks} == counts


def test_a_bad_cell_rejects_its_row(cells: list[dict[str, str]]) -> None:
    """Each reason has the header and what it must be; other texts are a category."""
    changed = [
        row | {feature.raw: "2026-02-30"}
        for row, feature in zip(cells, FEATURES, strict=False)
        if not (isinstance(feature, Category) and feature.unknown == OTHER)
    ]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(cells[0]))
    writer.writeheader()
    writer.writerows([*changed, *cells[:50]])
    valid, rejected = validate_rows(parse_csv(file.getvalue().encode()))
    assert (len(valid), len(rejected)) == (50, len(changed))
    for row, reason in zip(changed, rejected["reason"], strict=True):
        header = next(name for name, cell in row.items() if cell == "2026-02-30")
        assert f"'{header}' must be " in reason


@pytest.mark.parametrize(
    "candidate",
    make_candidates(FEATURES, TrainSettings(lightgbm=True)),
    ids=lambda candidate: candidate.name,
)
def test_the_graph_gives_the_probabilities_of_the_model(
    candidate: Candidate, data: TrainingData
) -> None:
    """Model and graph agree on rows with and without blanks, and on random recordable values.

    Skops trusts what the model consists of.
    """
    model = fit_calibrated(Selection(candidate, 0.0, {}), data, folds=2, seed=0).model
    assert np.isnan(data.rows).any()
    assert max_onnx_difference(model, to_onnx(model), data.rows, seed=1) <= TOLERANCE
    assert set(get_untrusted_types(data=dumps(model))) <= set(TRUSTED_TYPES)


def test_the_baselines_accept_blanks(data: TrainingData) -> None:
    """The plain logistic regression and the short rule learn from rows with blanks."""
    scores = (
        make_plain_logistic().build(0).fit(data.rows, data.labels).predict_proba(data.rows)[:, 1]
    )
    assert np.isfinite(scores).all()
    rule = find_best_rule(data.rows.astype(np.float64), data.labels)
    holds = rule.predict(data.rows.astype(np.float64))
    assert data.labels[holds].mean() > data.labels[~holds].mean()


def test_a_manifest_has_null_for_a_blank(bundle: Bundle) -> None:
    """JSON has no NaN; a manifest that is read again is the same."""
    document = json.loads(bundle.manifest.to_bytes())
    assert any(None in row for row in document["background"])
    assert any(None in row for row in document["examples"]["inputs"])
    read = Manifest.model_validate(document)
    assert read.to_bytes() == bundle.manifest.to_bytes()
    np.testing.assert_equal(read.background, bundle.manifest.background)
    assert read.training
    assert read.training.blanks == [feature.name for feature in OPTIONAL]


@pytest.fixture(scope="module")
def served(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL of a predictor of the model, and the folder of its lake."""
    folder = tmp_path_factory.mktemp("served")
    with serve_bundle(folder, bundle, log_flush_interval_seconds="0.1") as url:
        yield url, folder


@pytest.fixture(scope="module")
def rows(data: TrainingData) -> list[dict[str, Any]]:
    """Rows as JSON, with null for a blank."""
    return [to_request_row([float(str(value)) for value in row]) for row in data.rows[:40]]


@pytest.fixture(scope="module")
def predicted(served: tuple[str, Path], rows: list[dict[str, Any]]) -> list[float]:
    """The predictor's probabilities of these rows."""
    return ask(f"{served[0]}/predict", rows)


def ask(url: str, rows: Any) -> list[float]:
    response = httpx.post(url, json=rows)
    assert response.status_code == 200, response.text
    return [one["probability"] for one in response.json()["predictions"]]


def drop_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_a_null_and_a_missing_key_are_blanks(
    served: tuple[str, Path], rows: list[dict[str, Any]], predicted: list[float], bundle: Bundle
) -> None:
    """They get the probability that the model gives to a blank, alone and in a list."""
    examples = bundle.manifest.examples
    sent = [to_request_row(row) for row in examples.inputs]
    assert ask(f"{served[0]}/predict", sent) == pytest.approx(examples.expected, abs=1e-6)
    without = [drop_nulls(row) for row in rows]
    assert without != rows
    assert ask(f"{served[0]}/predict", without) == predicted
    assert ask(f"{served[0]}/predict", without[0]) == predicted[:1]


def test_an_explanation_of_a_blank(
    served: tuple[str, Path], rows: list[dict[str, Any]], predicted: list[float]
) -> None:
    """Base and contributions add up for rows with blanks too."""
    answer = httpx.post(f"{served[0]}/predict?explain=true", json=rows[:3])
    assert answer.status_code == 200, answer.text
    explained = answer.json()["predictions"]
    assert [one["probability"] for one in explained] == predicted[:3]
    for one in explained:
        explanation = one["explanation"]
        assert explanation["contributions"].keys() == set(FEATURE_NAMES)


def test_other_protocols_accept_blanks(
    served: tuple[str, Path], rows: list[dict[str, Any]], predicted: list[float]
) -> None:
    """CSV has empty cells, MLflow's protocol and the Open Inference Protocol have null."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(FEATURE_NAMES))
    writer.writeheader()
    writer.writerows(rows)
    answer = httpx.post(
        f"{served[0]}/predict/csv", content=file.getvalue(), headers={"Content-Type": "text/csv"}
    )
    scored = [row["probability"] for row in csv.DictReader(io.StringIO(answer.text))]
    assert [float(text) for text in scored] == pytest.approx(predicted, abs=1e-7)
    invocations = f"{served[0]}/invocations"
    for kind, content in (
        ("text/csv", file.getvalue()),
        ("application/json", json.dumps({"dataframe_records": rows})),
    ):
        answer = httpx.post(invocations, content=content, headers={"Content-Type": kind})
        assert [one["probability"] for one in answer.json()["predictions"]] == predicted
    tensor = {
        "name": "features",
        "shape": [len(rows), len(FEATURES)],
        "datatype": "FP64",
        "data": [list(row.values()) for row in rows],
    }
    answer = httpx.post(
        f"{served[0]}/v2/models/student-performance/infer", json={"inputs": [tensor]}
    )
    assert answer.json()["outputs"][0]["data"] == predicted


def test_a_list_with_the_cells_of_the_raw_file(
    served: tuple[str, Path], predicted: list[float], cells: list[dict[str, str]], tmp_path: Path
) -> None:
    """Names, codes, dates and blanks are read as `preprocess` reads them, and so does `score`."""
    url, folder = served
    path = tmp_path / "list.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(cells[0]))
        writer.writeheader()
        writer.writerows(cells[: len(predicted)])
    headers = {"Content-Type": "text/csv"}
    answer = httpx.post(f"{url}/predict/csv", content=path.read_bytes(), headers=headers)
    settings = Settings.model_validate({"lake": {"url": f"file://{folder}/lake"}})
    context = open_context(settings, "batch")
    score.run(context, data=path)
    (manifest,) = score.read_scores(context).values()
    for text in (answer.text, context.lake.read(manifest.csv[0].key).decode()):
        scored = list(csv.DictReader(io.StringIO(text)))
        assert {row["error"] for row in scored} == {""}
        assert [float(row["probability"]) for row in scored] == pytest.approx(predicted, abs=1e-6)


def test_unknown_categories_and_dates(served: tuple[str, Path], rows: list[dict[str, Any]]) -> None:
    """A category with `unknown: other` accepts any text; a date is as good as its number."""
    url = f"{served[0]}/predict"
    for feature in FEATURES:
        if isinstance(feature, Category):
            answer = httpx.post(url, json=rows[0] | {feature.name: "Elsewhere"})
            assert (answer.status_code == 200) == (feature.unknown == OTHER)
            if feature.unknown == OTHER:
                known = ask(url, rows[0] | {feature.name: OTHER})
                assert answer.json()["predictions"][0]["probability"] == known[0]
                assert httpx.post(url, json=rows[0] | {feature.name: ""}).status_code == 422
        elif feature.until_date:
            day = feature.until_date - timedelta(days=100)
            sent = [day.isoformat(), feature.measure_dates(day.isoformat())]
            one, other = (ask(url, rows[0] | {feature.name: value}) for value in sent)
            assert one == other
            for wrong in ("2026-02-30", "soon"):
                answer = httpx.post(url, json=rows[0] | {feature.name: wrong})
                assert "or a date such as 2026-01-31" in answer.json()["errors"][0]["message"]


def test_only_features_that_may_be_blank_accept_it(
    served: tuple[str, Path], rows: list[dict[str, Any]]
) -> None:
    """The schema says which these are; a value of another type is refused in all of them."""
    schema = httpx.get(f"{served[0]}/openapi.json").json()["components"]["schemas"]["Row"]
    nullable = {
        name
        for name, field in schema["properties"].items()
        if {"type": "null"} in field.get("anyOf", ())
    }
    assert nullable == {feature.name for feature in OPTIONAL}
    assert set(schema.get("required", ())) == {feature.name for feature in REQUIRED}
    for feature in FEATURES[:3]:
        for value, is_accepted in ((None, not feature.required), ("?", False), (1e9, False)):
            answer = httpx.post(f"{served[0]}/predict", json=rows[0] | {feature.name: value})
            assert (answer.status_code == 200) == is_accepted
            if not is_accepted:
                assert [one["field"] for one in answer.json()["errors"]] == [feature.name]
    name = OPTIONAL[0].name
    twice = json.dumps(rows[0] | {name: None})[:-1] + f', "{name}": null}}'
    headers = {"Content-Type": "application/json"}
    assert "Given twice" in httpx.post(f"{served[0]}/predict", content=twice, headers=headers).text


def test_a_bad_cell_is_not_a_blank(served: tuple[str, Path], rows: list[dict[str, Any]]) -> None:
    """A CSV cell that is neither a value nor blank is an error of its row."""
    row = rows[0] | {OPTIONAL[0].name: "nonsense"}
    texts = ["" if value is None else str(value) for value in row.values()]
    content = f"{','.join(row)}\n{','.join(texts)}"
    answer = httpx.post(
        f"{served[0]}/predict/csv", content=content, headers={"Content-Type": "text/csv"}
    )
    (scored,) = csv.DictReader(io.StringIO(answer.text))
    assert scored["probability"] == ""
    assert scored["error"].startswith(f"{OPTIONAL[0].name} must be ")
    assert "or blank, not 'nonsense'" in scored["error"]


def test_live_rows_keep_their_blanks(
    served: tuple[str, Path], rows: list[dict[str, Any]], predicted: list[float]
) -> None:
    """The drift check reads the blanks of logged rows."""
    since = datetime.now(UTC) - timedelta(minutes=10)
    lake = open_disk_lake(served[1])

    def read() -> list[pd.DataFrame]:
        until = datetime.now(UTC) + timedelta(minutes=1)
        frame = load_live_traffic(lake, since, until, 10_000, 0).frame
        return [frame] if len(frame) >= len(rows) else []

    blank = wait_for(read)[0].isna().sum()
    assert all(blank[feature.name] for feature in OPTIONAL)
    assert not any(blank[feature.name] for feature in REQUIRED)


def test_drift_counts_blanks(silver: pd.DataFrame) -> None:
    """A higher rate of blanks is drift of that column; equal rows have none."""
    name = OPTIONAL[0].name
    others = [feature.name for feature in FEATURES if feature.name != name]
    columns = [column for column in feature_columns() if column.name in (name, *others[:2])]
    reference = silver[[column.name for column in columns]].astype(float)
    current = reference.copy()
    known = np.flatnonzero(current[name].notna())
    current.loc[known[::2], name] = np.nan
    results = compare_columns(reference, current, columns, DriftSettings(), 0).columns
    assert [one for one, result in results.items() if result.drifted] == [name]
    blanks = results[name].distribution.blanks
    if blanks is None:
        distribution = results[name].distribution
        assert distribution.labels
        place = distribution.labels.index("blank")
        blanks = [distribution.reference[place], distribution.current[place]]
    assert blanks == pytest.approx([reference[name].isna().mean(), current[name].isna().mean()])
    current[name] = np.nan
    results = compare_columns(reference, current, columns, DriftSettings(), 0).columns
    assert results[name].drifted


def test_the_warning_of_a_blank_that_the_model_did_not_learn_from(
    data: TrainingData, tmp_path: Path, make_bundle: Callable[[TrainingData], Bundle]
) -> None:
    """A model of rows without a blank in a feature says so."""
    index = FEATURE_NAMES.index(OPTIONAL[0].name)
    full = data.take(np.flatnonzero(~np.isnan(data.rows[:, index])))
    with serve_bundle(tmp_path, make_bundle(full)) as url:
        row = {feature.name: feature.example for feature in FEATURES} | {OPTIONAL[0].name: None}
        answer = httpx.post(f"{url}/predict", json=row).json()
    warning = answer["predictions"][0]["warnings"][0]
    assert (warning["field"], warning["value"]) == (OPTIONAL[0].name, None)
    assert LABEL.name not in row
