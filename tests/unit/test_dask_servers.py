"""Dask's scheduler and workers as processes, with TLS."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from images.layers import find_reachable
from pipeline.compute.code_hash import find_file, find_sources, hash_code
from pipeline.compute.parts import run_parts
from pipeline.compute.workers import connect, write_report
from pipeline.context import Context
from pipeline.errors import WorkersError
from pipeline.settings.connections import DaskSettings
from pipeline.storage.layout import dask_report
from tests.support import parts as functions
from tests.support.parts import DaskProcesses, dask_processes, make_certificate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler with a worker that accept only connections with their certificate."""
    with dask_processes(tmp_path_factory.mktemp("dask"), tls=True) as processes:
        yield processes


@pytest.fixture
def context(dask: DaskProcesses, make_context: Callable[..., Context]) -> Context:
    return make_context(lake={"url": dask.lake_url}, dask=dask.settings | {"timeout_seconds": 150})


def test_parts_are_handled_over_tls(context: Context) -> None:
    """Stages connect with the certificate, and Dask's report is written to the lake."""
    assert list(run_parts(functions.write_part, [1, 2, 3], context)) == [1, 2, 3]
    write_report(context.lake, "run-1", "preprocess")
    page = context.lake.read(dask_report("run-1", "preprocess")).decode()
    assert "Dask Performance Report" in page
    assert "<script src=" not in page  # it needs no server


@pytest.mark.parametrize("kind", ["other authority", "no certificate"])
def test_others_are_refused(dask: DaskProcesses, tmp_path: Path, kind: str) -> None:
    """A client whose certificate another authority signed gets no connection, nor does one without.

    The scheduler would run any code that it sends.
    """
    settings = {**dask.settings, "timeout_seconds": 2}
    if kind == "other authority":
        settings |= make_certificate(tmp_path)
        with pytest.raises(WorkersError, match="did not respond within 2 s"):
            connect(DaskSettings(**settings))
    else:
        address = dask.address.replace("tls://", "https://")
        with pytest.raises(httpx.TransportError):
            httpx.get(address, verify=False, timeout=5)


def test_a_worker_finishes_its_task_before_it_ends(dask: DaskProcesses, context: Context) -> None:
    """After SIGTERM its task ends where it runs; another worker does the next ones."""
    gate = dask.folder / "gate"
    results = run_parts(functions.wait_for_file, [20, 21], context, path=str(gate))
    with ThreadPoolExecutor() as executor:
        found = executor.submit(list, results)
        functions.wait_for_attempts(context.lake, "2", 1)
        dask.signal("one", signal.SIGTERM)
        dask.start_worker("two")
        functions.wait_for_attempts(context.lake, "2", 2)
        gate.touch()
        assert found.result() == [1, 1]  # no part was handled twice
    assert dask.wait("one") == 0


def test_a_worker_outlives_its_scheduler(dask: DaskProcesses, context: Context) -> None:
    """It waits for the next scheduler at the address."""
    dask.kill("scheduler")
    dask.start_scheduler()
    assert list(run_parts(functions.write_part, [4, 5], context)) == [4, 5]


def test_a_worker_without_a_scheduler_ends(dask: DaskProcesses) -> None:
    """SIGTERM ends a worker that waits for a scheduler, as in a release that is deleted."""
    dask.start_worker("waiting", MLOPS_DASK__SCHEDULER="tls://127.0.0.1:9")
    dask.wait_for_log("waiting", "the worker connects to")
    dask.signal("waiting", signal.SIGTERM)
    assert dask.wait("waiting") == 0


def test_the_hash_covers_all_code_that_a_function_can_run() -> None:
    """It covers the modules that an image has for it, so that a change of any of them counts."""
    module = "pipeline.storage.parquet"
    files = {find_file(name) for name in find_sources(module)}
    assert files == {ROOT / file for file in find_reachable([module], ROOT)[0]}
    assert ROOT / "pipeline" / "columns.py" in files
    assert hash_code(module) != hash_code("pipeline.storage.lake")


def test_the_hash_changes_with_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment is enough, as for an image."""
    before = hash_code("pipeline.storage.lake")
    read = Path.read_bytes

    def read_changed(path: Path) -> Any:
        return read(path) + (b"# changed" if path.name == "disk.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", read_changed)
    hash_code.cache_clear()
    assert hash_code("pipeline.storage.lake") != before
    hash_code.cache_clear()
