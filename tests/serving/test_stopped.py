"""The predictor and the marker of a stop, when the lake cannot be read or a list is running."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pipeline.errors import LakeError
from pipeline.model.bundle import write_fallback
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import STOP_MARKER
from pipeline.tracking.stop_marker import Stop
from serving.http.problems import Stopped, Unavailable
from serving.stop_watcher import StopWatcher
from tests.support.csv_lists import LAST_CHUNK, ROW, make_chunk, start_list
from tests.support.forest import make_bundle
from tests.support.predictor import open_disk_lake, run_predictor, wait_for, wait_until_ready

STOP = Stop(by="Ada", at="2026-11-26T18:00:00+00:00", reason="the threshold is wrong")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))


class Access:
    """Opens the lake, unless it is broken."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self.is_broken = False

    def open(self) -> Lake:
        if self.is_broken:
            raise LakeError("The disk is gone.")
        return self._lake


def make_watcher(open_lake: Callable[[], Lake]) -> StopWatcher:
    """A watcher whose thread is not running; poll it by hand."""
    return StopWatcher(open_lake, interval_seconds=60)


def test_the_last_known_state_holds(lake: Lake) -> None:
    """While the lake cannot be read, nothing is stopped or resumed."""
    access = Access(lake)
    watcher = make_watcher(access.open)
    watcher.poll()
    watcher.check()
    access.is_broken = True
    watcher.poll()
    watcher.check()
    access.is_broken = False
    lake.write_model(STOP_MARKER, STOP)
    watcher.poll()
    with pytest.raises(Stopped, match="Ada stopped all answers at 2026-11-26 18:00 UTC: the thr"):
        watcher.check()
    access.is_broken = True
    watcher.poll()
    with pytest.raises(Stopped):
        watcher.check()


def test_an_unknown_state_is_not_answered(lake: Lake) -> None:
    """A process that never read the lake is not ready, and refuses predictions."""
    access = Access(lake)
    access.is_broken = True
    watcher = make_watcher(access.open)
    with pytest.raises(Unavailable, match="the lake was not read yet"):
        watcher.check()
    watcher.poll()
    for check in (watcher.check, watcher.check_known):
        with pytest.raises(Unavailable, match=r"not known yet .*: The disk is gone\."):
            check()
    access.is_broken = False
    watcher.poll()
    watcher.check()


def test_a_damaged_marker_changes_nothing(lake: Lake) -> None:
    """It neither stops nor resumes, and `stop` replaces it."""
    watcher = make_watcher(lambda: lake)
    watcher.poll()
    lake.write(STOP_MARKER, b"{")
    watcher.poll()
    watcher.check()
    lake.write_model(STOP_MARKER, STOP)
    watcher.poll()
    lake.write(STOP_MARKER, b"{")
    watcher.poll()
    with pytest.raises(Stopped):
        watcher.check()


def test_a_running_list_is_aborted(tmp_path: Path) -> None:
    """A list that takes long does not get answers after the stop."""
    lake = open_disk_lake(tmp_path)
    write_fallback(lake, make_bundle())
    received = b""
    with run_predictor(tmp_path, stop_poll_interval_seconds="0.05") as predictor:
        wait_until_ready(predictor)
        with (
            httpx.Client(base_url=predictor.url, timeout=30) as client,
            start_list(client) as (connection, _),
        ):
            lake.write_model(STOP_MARKER, STOP)
            wait_for(lambda: client.get("/readyz").json() == {"status": "stopped"})
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(make_chunk(f"{ROW}\n"))
                while piece := connection.recv(1 << 16):
                    received += piece
        assert not received.endswith(LAST_CHUNK)
        wait_for(lambda: "aborted a list: Ada stopped all answers" in predictor.read_log())
