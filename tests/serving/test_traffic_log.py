"""The log of live traffic: complete, written in the background, and never blocking a request."""

from __future__ import annotations

import gzip
import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.model.bundle import write_fallback
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import SILVER_LIVE
from serving.http.rows import EXAMPLE
from serving.model.served_model import ScoredRow
from serving.oip_schema import EXAMPLE_TENSOR
from serving.traffic_log import TrafficLog
from tests.support.forest import make_bundle
from tests.support.predictor import (
    INFER,
    open_disk_lake,
    run_predictor,
    serve_bundle,
    start_predictor,
    wait_for,
    wait_until_ready,
)

LINE = ScoredRow(0.25, b"", b'"probability":0.25}\n')


def read_logged(lake: Lake) -> list[dict[str, Any]]:
    """The rows in the lake, in the order of their objects."""
    return [
        json.loads(line)
        for key in lake.keys(SILVER_LIVE)
        for line in gzip.decompress(lake.read(key)).decode().splitlines()
    ]


def test_content_of_the_log(tmp_path: Path) -> None:
    """It holds every predicted row with time, request, version, codes and probability.

    It holds nothing about the client, no invalid rows, no rows of refused requests, and no rows
    sent with log=false.
    """
    lake = open_disk_lake(tmp_path)
    with (
        serve_bundle(tmp_path, make_bundle(), log_flush_interval_seconds="0.1") as url,
        httpx.Client(base_url=url) as client,
    ):

        def predict(body: Any, request_id: str, query: str = "") -> Any:
            headers = {"X-Request-ID": request_id}
            return client.post(f"/predict{query}", json=body, headers=headers).json()

        prediction = predict(EXAMPLE, "one")["predictions"][0]
        predict([EXAMPLE] * 30, "many")
        predict(EXAMPLE | {"age": 1}, "invalid")
        csv = ",".join(EXAMPLE) + "\n" + ",".join(map(str, EXAMPLE.values())) + "\nx,stem,1,no,1\n"
        headers = {"Content-Type": "text/csv", "X-Request-ID": "list"}
        client.post("/predict/csv", content=csv, headers=headers)
        predict(EXAMPLE, "private", "?log=false")
        client.post("/invocations?log=false", json={"instances": [EXAMPLE]})
        client.post(f"{INFER}?log=false", json=EXAMPLE_TENSOR)
        refused = client.post(INFER, json=EXAMPLE_TENSOR | {"outputs": [{"name": "other"}]})
        assert refused.status_code == 422
        predict(EXAMPLE, "last")
        described = client.get("/columns").json()["live_traffic"]
        wait_for(lambda: len(read_logged(lake)) >= 33)
    rows = read_logged(lake)
    assert [row["request_id"] for row in rows] == ["one", *["many"] * 30, "list", "last"]
    assert list(rows[0]) == ["at", "request_id", "version", *FEATURE_NAMES, "probability"]
    assert described == {
        "sample_rate": 1,
        "fields": list(rows[0]),
        "folder": SILVER_LIVE,
        "retention_days": 90,
    }
    expected = {"age": 31, "course": 1, "sleep_hours": 6.8, "relationship": 0, "review_hours": 2.1}
    for row in rows:
        assert {name: row[name] for name in FEATURE_NAMES} == expected
        assert (row["version"], row["probability"]) == ("1", prediction["probability"])


def test_shutdown_writes_the_rest(tmp_path: Path) -> None:
    """No row is lost on SIGTERM, however long the flush interval is."""
    with serve_bundle(tmp_path, make_bundle(), log_flush_interval_seconds="1000") as url:
        httpx.post(f"{url}/predict", json=[EXAMPLE] * 50)
    assert len(read_logged(open_disk_lake(tmp_path))) == 50


def test_a_killed_process_loses_only_unwritten_rows(tmp_path: Path) -> None:
    """After SIGKILL the written rows are intact; a new process adds to them."""
    lake = open_disk_lake(tmp_path)
    write_fallback(lake, make_bundle())
    for count in (1, 2):
        with start_predictor(tmp_path, log_flush_interval_seconds="0.2") as predictor:
            wait_until_ready(predictor)
            httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 50)
            wait_for(lambda expected=50 * count: len(read_logged(lake)) == expected)  # type: ignore[misc] # a default
            predictor.process.send_signal(signal.SIGKILL)
            predictor.process.wait(30)
    assert len(read_logged(lake)) == 100


def test_lake_on_s3(s3_lake: LakeSettings, tmp_path: Path) -> None:
    """The model is read from S3, and the traffic is written there."""
    lake = open_lake(s3_lake)
    write_fallback(lake, make_bundle())
    environment = {"MLOPS_LAKE__URL": s3_lake.url, "MLOPS_LAKE__ENDPOINT": str(s3_lake.endpoint)}
    with run_predictor(tmp_path, environment, log_flush_interval_seconds="0.1") as predictor:
        wait_until_ready(predictor)
        httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 50)
        wait_for(lambda: len(read_logged(lake)) == 50)


def make_log(lake: Lake, interval_seconds: float) -> TrafficLog:
    return TrafficLog(
        lambda: lake, "pod", sample_rate=1, max_rows=10, interval_seconds=interval_seconds
    )


def test_unreachable_lake(tmp_path: Path) -> None:
    """Rows wait up to the limit and are written later; rows beyond it are dropped and counted."""
    lake = open_disk_lake(tmp_path)
    blocked = tmp_path / "lake" / "silver"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where the folder should be")
    log = make_log(lake, 0.05)
    log.start()
    log.add(b"first", [LINE] * 4)
    wait_for(lambda: log.waiting == 0)  # these are being written
    log.add(b"second", [LINE] * 25)
    assert (log.waiting, log.dropped, log.written) == (10, 15, 0)
    blocked.unlink()
    wait_for(lambda: log.written == 14)
    log.stop(10)
    assert [row["request_id"] for row in read_logged(lake)] == ["first"] * 4 + ["second"] * 10


def test_unreachable_lake_at_shutdown(tmp_path: Path) -> None:
    """A shutdown does not wait for the lake; rows that were not written count as dropped."""
    (tmp_path / "lake").write_text("a file where the folder should be")
    log = make_log(open_disk_lake(tmp_path), 1000)
    log.start()
    log.add(b"a", [LINE] * 4)
    log.stop(30)
    assert log.dropped == 4


@pytest.mark.parametrize(
    ("rate", "least", "most"), [(0.0, 0, 0), (0.5, 300, 700), (1.0, 1000, 1000)]
)
def test_sample_rate(rate: float, least: int, most: int) -> None:
    """A fraction of the requests is logged, each with all of its rows."""
    log = TrafficLog(
        lambda: pytest.fail("not started"), "pod", rate, max_rows=10_000, interval_seconds=1
    )
    for _ in range(1000):
        log.add(b"a", [LINE, LINE])
    assert least <= log.waiting / 2 <= most
    assert log.waiting % 2 == 0
