"""Parts give the same results in this process, in threads and on Dask workers."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.compute import constants, plan, task, workers
from pipeline.compute import parts as compute
from pipeline.compute.parts import run_parts
from pipeline.compute.plan import make_plan
from pipeline.context import Context
from pipeline.errors import (
    DataError,
    LakeError,
    MemoryLimitError,
    SettingsError,
    WorkersError,
)
from pipeline.memory import Limit
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.storage import layout
from pipeline.storage.lake import open_lake, sha256_hex
from tests.support import parts as functions
from tests.support.parts import DaskProcesses, dask_processes

PARTS = list(range(7))


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler with a worker."""
    with dask_processes(tmp_path_factory.mktemp("dask")) as processes:
        yield processes


@pytest.fixture
def on_workers(dask: DaskProcesses, make_context: Callable[..., Context]) -> Context:
    return make_context(lake={"url": dask.lake_url}, dask=dask.settings)


def test_results_are_in_the_order_of_the_parts(
    make_context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several threads and more parts than one graph has, and the rows go to the lake."""
    monkeypatch.setattr(compute, "WAVE_PARTS", 3)
    monkeypatch.setattr(plan, "_count_cores", lambda: 2)
    context = make_context()
    assert list(run_parts(functions.write_part, PARTS, context, factor=3)) == [
        3 * part for part in PARTS
    ]
    assert context.lake.read("silver/parts/6") == b"18"
    threads = set(run_parts(functions.name_thread, PARTS, context))
    assert "MainThread" not in threads


@pytest.mark.parametrize(
    ("parts", "unneeded", "log"),
    [
        ([5], {"dask", "distributed"}, "in this process, in one part"),
        ([5, 6], {"distributed"}, "in this process, in 2 parts, 2 at a time"),
    ],
)
def test_parts_in_this_process_do_not_pay_for_workers(
    parts: list[int], unneeded: set[str], log: str
) -> None:
    """One part needs no `dask`, and threads need no `distributed`: imports take time."""
    code = (
        "import sys\n"
        "from pipeline.compute import plan\n"
        "from pipeline.compute.parts import run_parts\n"
        "from pipeline.context import open_context\n"
        "from pipeline.settings import Settings\n"
        "plan._count_cores = lambda: 2\n"
        "context = open_context(Settings(), 'run-1')\n"
        f"plan.print_plan('preprocess', {len(parts)}, context.settings)\n"
        f"assert list(run_parts(lambda lake, part: part, {parts}, context)) == {parts}\n"
        f"assert not {unneeded} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"preprocess: {log}\n")


@pytest.mark.parametrize(("mebibytes", "threads"), [(100_000, 4), (1_000, 3), (500, 1)])
def test_threads_are_bounded_by_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch, mebibytes: float, threads: int
) -> None:
    """A pod with little memory handles fewer parts at a time."""
    monkeypatch.setattr(plan, "_count_cores", lambda: 4)
    monkeypatch.setattr(plan, "find_limit", lambda: Limit(mebibytes, is_container=True))
    made = make_plan(1_000, Settings(), mebibytes=200)
    assert (made.mode, made.threads) == ("threads", threads)
    assert str(made) == f"in this process, in 1,000 parts, {threads} at a time"


def test_a_limit_too_small_for_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system would kill the stage; a single part is always tried."""
    monkeypatch.setattr(plan, "find_limit", lambda: Limit(499, is_container=True))
    with pytest.raises(MemoryLimitError, match=r"needs about 500 MiB .* container is 499 MiB"):
        make_plan(2, Settings(), mebibytes=200)
    assert make_plan(1, Settings(), mebibytes=200).mode == "direct"


def test_an_error_of_a_part_is_raised(make_context: Callable[..., Context]) -> None:
    """As the function raised it."""
    with pytest.raises(DataError, match=r"^part \d has no rows$"):
        list(run_parts(functions.refuse, PARTS, make_context()))


def test_workers_give_the_same_results(
    on_workers: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """They write to their own lake, and the log has how many parts each handled."""
    assert str(make_plan(7, on_workers.settings)) == (
        f"in 7 parts on the workers of {on_workers.settings.dask.scheduler}"
    )
    found = list(run_parts(functions.write_part, PARTS, on_workers, factor=3))
    assert found == [3 * part for part in PARTS]
    assert on_workers.lake.read("silver/parts/6") == b"18"
    assert "7 parts were handled by 1 worker: one 7" in capsys.readouterr().err


def test_large_arrays_pass_through_the_lake(
    on_workers: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, by their hashes; they are deleted at the end. A modified one is refused."""
    monkeypatch.setattr(constants, "ARRAY_BYTES", 80)
    lake, array_key = on_workers.lake, functools.partial(layout.gold_array, "run-1")
    large, small = np.arange(10), np.arange(9)

    def stored() -> list[str]:
        return lake.keys(layout.GOLD_PREFIX)

    results = run_parts(
        functions.add_item, PARTS, on_workers, array_key=array_key, arrays=[large, small, large]
    )
    assert next(results) == 0
    key = array_key(sha256_hex(large.tobytes()))
    assert stored() == [key]
    assert [*results] == [3 * part for part in PARTS[1:]]
    assert stored() == []
    results = run_parts(
        functions.add_item, PARTS, on_workers, array_key=array_key, arrays=[large + 1] * 3
    )
    write = lake.write
    monkeypatch.setattr(lake, "write", lambda key, data: write(key, data[::-1]))
    with pytest.raises(LakeError, match=r"gold/run-1/arrays/\w{64}\.bin has the hash"):
        list(results)
    assert stored() == []


def test_a_part_is_tried_again_only_if_that_can_help(on_workers: Context) -> None:
    """A lake that fails for a moment costs an attempt; wrong rows fail at once."""
    assert list(run_parts(functions.fail_once, PARTS, on_workers)) == PARTS
    with pytest.raises(DataError, match="part 100 has no rows"):
        list(run_parts(functions.refuse, [100, 100], on_workers))
    assert len(on_workers.lake.keys("silver/attempts/100-")) <= 2  # one per part


@pytest.mark.parametrize(
    "case",
    [
        (
            {"hash_code": lambda module: "other"},
            {},
            r"the code .*has 'other'.*Update the image",
        ),
        ({"COLUMNS": ()}, {}, r"worker one has the columns file .* refused a part\. Restart the"),
        ({}, {"lake": {"url": "file://elsewhere"}}, "worker one has the lake .*has 'elsewhere/"),
    ],
)
def test_a_worker_refuses_the_parts_of_another_stage(
    dask: DaskProcesses,
    make_context: Callable[..., Context],
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[dict[str, Any], dict[str, object], str],
) -> None:
    """If its code, columns file or lake is another one, before the function is called."""
    patches, change, message = case
    for name, value in patches.items():
        monkeypatch.setattr(task, name, value)
    settings = {"lake": {"url": dask.lake_url}, "dask": dask.settings}
    context = make_context(**(settings | change))
    with pytest.raises(WorkersError, match=message) as caught:
        list(run_parts(functions.count_attempt, [7, 8], context))
    assert not caught.value.retryable
    assert not open_lake(LakeSettings(url=dask.lake_url)).keys("silver/attempts/7-")


def test_a_killed_worker_and_a_killed_scheduler(dask: DaskProcesses, on_workers: Context) -> None:
    """Another worker takes over, a new scheduler gets the parts, and the results are complete."""
    gate, lake = dask.folder / "gate", on_workers.lake
    results = run_parts(functions.wait_for_file, [90, 91, 92], on_workers, path=str(gate))
    with ThreadPoolExecutor() as executor:
        found = executor.submit(list, results)
        functions.wait_for_attempts(lake, "9", 1)
        dask.start_worker("two")
        functions.wait_for_attempts(lake, "9", 2)
        dask.kill("one")
        dask.kill("scheduler")
        dask.start_scheduler()
        dask.start_worker("one")
        functions.wait_for_attempts(lake, "9", 3)
        gate.touch()
        assert len(found.result()) == 3
    assert len(lake.keys("silver/attempts/9")) <= 5  # two of three parts were lost


def test_a_scheduler_without_workers(tmp_path: Path, make_context: Callable[..., Context]) -> None:
    """A run ends with the address of the scheduler and what to do, and no part was handled."""
    processes = DaskProcesses(tmp_path)
    with contextlib.closing(processes), contextlib.closing(workers):
        processes.start_scheduler()
        processes.wait_for_log("scheduler", "Scheduler at")
        settings = {**processes.settings, "timeout_seconds": 2}
        context = make_context(lake={"url": processes.lake_url}, dask=settings)
        message = f"{processes.address} had no workers for 2.* s. .*dask.workers.replicas"
        with pytest.raises(WorkersError, match=message):
            list(run_parts(functions.write_part, PARTS, context))
        assert not context.lake.keys("silver/")


def test_a_scheduler_that_does_not_respond(make_context: Callable[..., Context]) -> None:
    """The message has its address and what to do."""
    context = make_context(dask={"scheduler": "tcp://127.0.0.1:1", "timeout_seconds": 1})
    with pytest.raises(WorkersError, match=r"127.0.0.1:1 did not respond within 1 s: .*MLOPS"):
        list(run_parts(functions.write_part, PARTS, context))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SCHEDULER": "tls://dask:8786", "CA": "ca.pem"}, "needs MLOPS_DASK__CERTIFICATE and"),
        ({"SCHEDULER": "tcp://dask:8786"}, "must be tls://HOST:PORT"),
        ({"SCHEDULER": "tcp://10.0.0.1:8786"}, "must be tls://HOST:PORT"),
    ],
)
def test_a_scheduler_is_encrypted(variables: dict[str, str], message: str) -> None:
    """Code is only sent to a scheduler that proves who it is, except on this machine."""
    with pytest.raises(SettingsError, match=message):
        Settings.load({f"MLOPS_DASK__{name}": value for name, value in variables.items()})


def test_files(tmp_path: Path) -> None:
    """The certificates are paths."""
    files = {name: str(tmp_path / name) for name in ("ca", "certificate", "key")}
    variables = {f"MLOPS_DASK__{name.upper()}": path for name, path in files.items()}
    settings = Settings.load({"MLOPS_DASK__SCHEDULER": "tls://dask:8786", **variables})
    assert settings.dask.is_encrypted
