"""An uploaded list is scored by a DAG as the predictor scores it, and live traffic is compacted."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import httpx

from k8s.airflow import DagRun
from pipeline.columns import FEATURE_NAMES, PROBABILITY
from pipeline.data.live_traffic import HourFile
from pipeline.data.synthetic import generate_csv
from pipeline.storage.artifacts.scoring import ScoresManifest
from pipeline.storage.layout import (
    SCORES,
    is_scores_manifest,
    list_to_score,
    live_traffic_day,
    live_traffic_hour,
    live_traffic_object,
)
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.platform import Platform, get_model

LIST = "spring term.csv"


def run_dag(platform: Platform, dag_id: str, task: str, **parameters: str) -> str:
    """Run a DAG of one task, and return the id of the run in the lake."""
    run_id = make_run_id("e2e")
    platform.airflow.trigger(dag_id, run_id, **parameters)
    wait_for_run(platform.airflow, dag_id, run_id)
    log = platform.airflow.read_log(dag_id, run_id, task)
    assert platform.airflow.get_states(dag_id, run_id) == {task: "success"}, log
    return f"{dag_id}-{run_id}"


def test_an_uploaded_list_is_scored(platform: Platform, first: DagRun) -> None:
    """Its predictions are the predictor's, by the same version, and the list is deleted."""
    lake = platform.lake
    data = generate_csv(200, seed=8)
    lake.write(list_to_score(LIST), data)
    run_id = run_dag(platform, "scoring", "score", list=LIST)
    (key,) = [key for key in lake.keys(SCORES) if is_scores_manifest(key, run_id)]
    manifest = lake.read_model(key, ScoresManifest)
    assert (manifest.rows, manifest.rejected) == (200, 0)
    assert manifest.model.version == get_model(platform.predictor)["version"]
    stored = csv.DictReader(io.StringIO(lake.read(manifest.csv[0].key).decode()))
    response = httpx.post(
        f"{platform.predictor}/predict/csv",
        params={"log": "false"},
        content=data,
        headers={"Content-Type": "text/csv"},
        timeout=60,
    )
    answered = csv.DictReader(io.StringIO(response.raise_for_status().text))
    assert [(row["label"], float(row["probability"])) for row in stored] == [
        (row["label"], float(row[PROBABILITY])) for row in answered
    ]
    assert lake.versions(list_to_score(LIST)) == []


def test_live_traffic_is_compacted(platform: Platform, first: DagRun) -> None:
    """The objects of an hour that has ended become one file."""
    at = (datetime.now(UTC) - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    day, hour = f"{at:%Y-%m-%d}", f"{at:%H}"
    row = {"at": at.isoformat(), "request_id": "e2e", "version": "1", PROBABILITY: 0.5}
    line = json.dumps(row | dict.fromkeys(FEATURE_NAMES, 1.0)).encode()
    objects = [
        live_traffic_object(day, "e2e", int(at.timestamp() * 1000) + number) for number in range(3)
    ]
    for key in objects:
        platform.lake.write(key, gzip.compress(line))
    run_dag(platform, "compaction", "compact")
    file = HourFile(platform.lake.read(live_traffic_hour(day, hour, 0)))
    assert file.objects == objects
    assert not set(objects) & set(platform.lake.keys(live_traffic_day(day)))
