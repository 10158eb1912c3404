"""compact: the objects of live traffic become a file per hour; none is lost, none counts twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.context import Context
from pipeline.data import live_traffic
from pipeline.data.live_traffic import HourFile
from pipeline.data.traffic_window import Traffic, read_window
from pipeline.errors import LakeError, StageSkipped
from pipeline.stages import compact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SILVER_LIVE, live_traffic_hour
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults
from tests.support.traffic import log_rows

MakeContext = Callable[..., Context]

NOW = datetime(2026, 3, 2, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILE = live_traffic_hour("2026-03-02", "09", 0)


def log(lake: Lake, at: datetime, rows: int = 2, pod: str = "pod-a", **fields: object) -> str:
    """Write an object as a predictor does, and return its key; a feature numbers its rows."""
    values = {"request_id": f"{pod} {at:%H:%M}"} | dict.fromkeys(FEATURE_NAMES, 1.0) | fields
    return log_rows(lake, at, [values | {FEATURE_NAMES[0]: row} for row in range(rows)], pod)


def read(lake: Lake, max_rows: int = 1_000_000, seed: int = 0) -> Traffic:
    """Read two days."""
    return read_window(lake, NOW - 36 * HOUR, NOW + HOUR, max_rows, seed)


def list_rows(lake: Lake) -> list[tuple[str, float]]:
    """The request and the first feature of each row, sorted."""
    rows = read(lake).rows
    return sorted(
        zip(rows["request_id"].to_pylist(), rows[FEATURE_NAMES[0]].to_pylist(), strict=True)
    )


def log_hours(lake: Lake) -> None:
    """Log the traffic of two pods: an old day, two hours that have ended, and one that has not."""
    for at in (NOW - 30 * HOUR, NOW - 2 * HOUR, NOW - HOUR, NOW - HOUR + HOUR / 4, NOW):
        for pod in ("pod-a", "pod-b"):
            log(lake, at, pod=pod)


def test_finished_hours_become_files(make_context: MakeContext) -> None:
    """Each has one file with the same rows; the objects of the current hour stay."""
    context = make_context()
    log_hours(context.lake)
    before = list_rows(context.lake)
    compact.run(context, NOW)
    keys = context.lake.keys(SILVER_LIVE)
    assert [key for key in keys if key.endswith(".parquet")] == [
        live_traffic_hour("2026-03-01", "04", 0),
        live_traffic_hour("2026-03-02", "08", 0),
        FILE,
    ]
    current = [key for key in keys if key.endswith(".gz")]
    assert len(current) == 2
    assert list_rows(context.lake) == before
    assert len(before) == 20
    found = read(context.lake)
    assert (found.found, found.read, found.unreadable) == (5, 5, {})
    assert found.rows["at"].to_pylist().count(NOW - HOUR) == 4
    with pytest.raises(StageSkipped, match="No hour that has ended has objects"):
        compact.run(context, NOW)


def test_killed_and_run_again(make_context: MakeContext) -> None:
    """At every write, a reader sees each row once, and the next run completes the work."""

    def check(faults: FaultInjector) -> None:
        context = make_context(f"run-{faults.at}-{faults.after}")
        lake = context.lake
        for key in lake.keys(SILVER_LIVE):
            lake.delete(key)
        log_hours(lake)
        before = list_rows(lake)
        try:
            compact.run(with_faults(context, faults), NOW)
        except Killed:
            assert list_rows(lake) == before
            if len(lake.keys(SILVER_LIVE)) > 5:
                compact.run(context, NOW)
        assert list_rows(lake) == before
        assert len(lake.keys(SILVER_LIVE)) == 5

    for faults in kill_points(check):
        check(faults)


def test_late_objects_get_a_file_of_their_own(make_context: MakeContext) -> None:
    """Files are never rewritten."""
    context = make_context()
    log(context.lake, NOW - HOUR)
    compact.run(context, NOW)
    first = context.lake.read(FILE)
    log(context.lake, NOW - HOUR, pod="late")
    compact.run(context, NOW)
    assert context.lake.keys(SILVER_LIVE) == [FILE, live_traffic_hour("2026-03-02", "09", 1)]
    assert context.lake.read(FILE) == first
    assert len(list_rows(context.lake)) == 4


def test_a_large_hour_has_several_files(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has about as many rows as fit into memory."""
    monkeypatch.setattr(compact, "MAX_FILE_ROWS", 4)
    context = make_context()
    for minute in range(5):
        log(context.lake, NOW - HOUR + timedelta(minutes=minute), rows=2)
    compact.run(context, NOW)
    keys = context.lake.keys(SILVER_LIVE)
    assert [len(HourFile(context.lake.read(key)).objects) for key in keys] == [2, 2, 1]
    assert len(list_rows(context.lake)) == 10


def test_an_unreadable_object_stays(
    make_context: MakeContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and so is one whose fields have other types; the others are compacted."""
    context = make_context()
    good = log(context.lake, NOW - HOUR)
    cut, other = good.replace("pod-a", "pod-b"), good.replace("pod-a", "pod-c")
    context.lake.write(cut, context.lake.read(good)[:30])
    log(context.lake, NOW - HOUR, extra="text")
    log(context.lake, NOW - HOUR, pod="pod-c", extra=[1])
    compact.run(context, NOW)
    assert context.lake.keys(SILVER_LIVE) == [FILE, cut, other]
    message = capsys.readouterr().err
    assert f"{cut} cannot be read, and stays: Compressed file ended" in " ".join(message.split())
    assert set(read(context.lake).unreadable) == {cut}


def test_fields_of_other_releases_are_kept(make_context: MakeContext) -> None:
    """A field that only some objects have is null for the others."""
    context = make_context()
    log(context.lake, NOW - HOUR, rows=1, campus="north")
    log(context.lake, NOW - HOUR, rows=1, pod="pod-b")
    compact.run(context, NOW)
    rows = HourFile(context.lake.read(FILE)).read_group(0)
    assert rows["campus"].to_pylist() == ["north", None]


def test_a_damaged_file_deletes_no_object(make_context: MakeContext) -> None:
    """An object is deleted only if the file that has its rows can be read."""
    context = make_context()
    key = log(context.lake, NOW - HOUR, rows=100)
    raw = context.lake.read(key)
    compact.run(context, NOW)
    data = bytearray(context.lake.read(FILE))
    data[40] ^= 0xFF
    context.lake.write(FILE, bytes(data))
    context.lake.write(key, raw)
    with pytest.raises(LakeError, match=r"differs from what was written: .*No object was deleted"):
        compact.run(context, NOW)
    assert context.lake.exists(key)
    assert set(read(context.lake).unreadable) == {FILE}


def test_an_object_that_is_compacted_while_it_is_read(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader lists the objects again, and finds the rows in the file."""
    context = make_context()
    log_hours(context.lake)
    before = list_rows(context.lake)
    reading = context.lake.read

    def read_late(key: str, sha256: str | None = None) -> bytes:
        monkeypatch.undo()
        compact.run(make_context(), NOW)
        return reading(key, sha256)

    monkeypatch.setattr(context.lake, "read", read_late)
    assert list_rows(context.lake) == before


def test_a_sample_covers_all_hours(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many rows, row groups and objects are drawn with the same probability."""
    monkeypatch.setattr(live_traffic, "GROUP_ROWS", 10)
    context = make_context()
    for minute in range(0, 60, 5):
        log(context.lake, NOW.replace(minute=0) - HOUR + timedelta(minutes=minute), rows=10)
    compact.run(context, NOW)
    for second in range(12):
        log(context.lake, NOW + timedelta(seconds=second), rows=10)
    drawn = [read(context.lake, 100, seed).rows["at"].to_pylist() for seed in range(30)]
    assert {len(times) for times in drawn} == {100}
    compacted = sum(time < NOW for times in drawn for time in times) / 3_000
    assert 0.4 < compacted < 0.6
    assert read(context.lake, 100, 1).rows.equals(read(context.lake, 100, 1).rows)
