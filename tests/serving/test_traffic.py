"""The log of live traffic: all of it, in the background, and never at a request's cost."""

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
from pipeline.settings import LakeSettings
from pipeline.storage.lake import Lake, open_lake
from serving.http.requests import EXAMPLE
from serving.model.served_model import ScoredRow
from serving.traffic_log import TrafficLog
from tests.serving.forest import bundle
from tests.serving.predictor import (
    NO_ENVIRONMENT,
    ROOT,
    Predictor,
    started,
    wait_for,
    wait_until_ready,
)

LINE = ScoredRow(0.25, b"", b'"fail_probability":0.25}\n')


def logged(lake: Lake) -> list[dict[str, Any]]:
    """The rows in the lake, in the order of the objects."""
    return [
        json.loads(line)
        for key in lake.keys("silver/live/")
        for line in gzip.decompress(lake.read(key)).decode().splitlines()
    ]


def ready(predictor: Predictor) -> None:
    wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)


def disk_lake(folder: Path) -> Lake:
    return open_lake(LakeSettings(url=f"file://{folder}/lake"))


def test_what_is_logged(tmp_path: Path) -> None:
    """Every answered row, by time, request, version, codes and probability, and nothing of the client; refused rows are not."""
    lake = disk_lake(tmp_path)
    write_fallback(lake, bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, log_flush_interval_seconds="0.2") as predictor:
        ready(predictor)
        one = httpx.post(
            f"{predictor.url}/predict", json=EXAMPLE, headers={"X-Request-ID": "one"}
        ).json()["predictions"][0]
        httpx.post(
            f"{predictor.url}/predict", json=[EXAMPLE] * 30, headers={"X-Request-ID": "many"}
        )
        httpx.post(f"{predictor.url}/predict", json=EXAMPLE | {"age": 1})
        csv = ",".join(EXAMPLE) + "\n" + ",".join(map(str, EXAMPLE.values())) + "\nx,stem,1,no,1\n"
        httpx.post(
            f"{predictor.url}/predict/csv",
            content=csv,
            headers={"Content-Type": "text/csv", "X-Request-ID": "list"},
        )
        httpx.post(
            f"{predictor.url}/predict?log=false", json=EXAMPLE, headers={"X-Request-ID": "private"}
        )
        wait_for(lambda: len(logged(lake)) >= 32)
        rows = logged(lake)
    assert [row["request_id"] for row in rows] == ["one", *["many"] * 30, "list"]
    assert list(rows[0]) == ["at", "request_id", "version", *FEATURE_NAMES, "fail_probability"]
    expected = {"age": 31, "course": 1, "sleep_hours": 6.8, "relationship": 0, "review_hours": 2.1}
    for row in rows:
        assert {name: row[name] for name in FEATURE_NAMES} == expected
        assert (row["version"], row["fail_probability"]) == ("1", one["fail_probability"])
    assert logged(lake) == rows


def test_a_stop_writes_the_rest(tmp_path: Path) -> None:
    """SIGTERM loses nothing, however long the pause between two writes is."""
    lake = disk_lake(tmp_path)
    write_fallback(lake, bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, log_flush_interval_seconds="1000") as predictor:
        ready(predictor)
        httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 50)
        predictor.process.terminate()
        assert predictor.process.wait(30) == 0
    assert len(logged(lake)) == 50


def test_a_kill_loses_only_what_was_not_yet_written(tmp_path: Path) -> None:
    """SIGKILL cannot harm what a pause earlier was written; a process that begins again adds to it, and overwrites nothing."""
    lake = disk_lake(tmp_path)
    write_fallback(lake, bundle())
    for count in (1, 2):
        with started(tmp_path, NO_ENVIRONMENT, ROOT, log_flush_interval_seconds="0.2") as predictor:
            ready(predictor)
            httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 50)
            wait_for(lambda expected=50 * count: len(logged(lake)) == expected)  # type: ignore[misc] # a lambda's default
            predictor.process.send_signal(signal.SIGKILL)
            predictor.process.wait(30)
    assert len(logged(lake)) == 100


def test_on_s3(s3_lake: LakeSettings, tmp_path: Path) -> None:
    """The same on S3: the model comes from there, and the traffic goes there."""
    lake = open_lake(s3_lake)
    write_fallback(lake, bundle())
    place = {"MLOPS_LAKE__URL": s3_lake.url, "MLOPS_LAKE__ENDPOINT": str(s3_lake.endpoint)}
    with started(tmp_path, place, ROOT, log_flush_interval_seconds="0.2") as predictor:
        ready(predictor)
        httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 50)
        wait_for(lambda: len(logged(lake)) == 50)


def test_lake_away(tmp_path: Path) -> None:
    """While the lake cannot be written the rows wait, up to the limit, and are written when it can; the rest is counted."""
    lake = disk_lake(tmp_path)
    closed = tmp_path / "lake" / "silver"
    closed.parent.mkdir(parents=True)
    closed.write_text("a file where the folder should be")
    log = TrafficLog(lambda: lake, "pod", sample_rate=1, max_rows=10, interval_seconds=0.05)
    log.start()
    log.add(b"first", [LINE] * 4)
    wait_for(lambda: log.waiting == 0)  # taken, and being tried
    log.add(b"second", [LINE] * 25)
    assert (log.waiting, log.dropped, log.written) == (10, 15, 0)
    closed.unlink()
    wait_for(lambda: log.written == 14, 60)
    log.stop(10)
    assert [row["request_id"] for row in logged(lake)] == ["first"] * 4 + ["second"] * 10


def test_lake_away_at_the_end(tmp_path: Path) -> None:
    """A stop while the lake is away ends all the same, and what was not written counts as dropped."""
    (tmp_path / "lake").write_text("a file where the folder should be")
    log = TrafficLog(
        lambda: disk_lake(tmp_path), "pod", sample_rate=1, max_rows=10, interval_seconds=1000
    )
    log.start()
    log.add(b"a", [LINE] * 4)
    log.stop(30)
    assert log.dropped == 4


@pytest.mark.parametrize(
    ("share", "least", "most"), [(0.0, 0, 0), (0.5, 300, 700), (1.0, 1000, 1000)]
)
def test_fraction(share: float, least: int, most: int) -> None:
    """`log_sample_rate` is the share of the requests that are logged, with all of their rows."""
    log = TrafficLog(
        lambda: pytest.fail("not started"), "pod", share, max_rows=10_000, interval_seconds=1
    )
    for _ in range(1000):
        log.add(b"a", [LINE, LINE])
    assert least <= log.waiting / 2 <= most
    assert log.waiting % 2 == 0
