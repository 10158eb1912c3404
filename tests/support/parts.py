"""Functions of parts that Dask workers import, and such workers as processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from pipeline.commands.local_servers import find_free_port
from pipeline.errors import DataError, LakeError
from pipeline.polling import poll_until
from pipeline.storage.lake import Lake

ROOT = Path(__file__).parents[2]
START_TIMEOUT_SECONDS = 60


def write_part(lake: Lake, part: int, factor: int = 1) -> int:
    """Write a number to the lake and return it; a part's number is its key."""
    lake.write(f"silver/parts/{part}", str(part * factor).encode())
    return part * factor


def count_attempt(lake: Lake, part: int) -> int:
    """Count how often a part is handled, in the lake; return the count."""
    prefix = f"silver/attempts/{part}-"
    attempt = len(lake.keys(prefix)) + 1
    lake.write(f"{prefix}{attempt}", b"")
    return attempt


def fail_once(lake: Lake, part: int) -> int:
    """Fail at the first attempt of each part as a lake does for a moment."""
    if count_attempt(lake, part) == 1:
        raise LakeError(f"part {part} cannot be read")
    return part


def refuse(lake: Lake, part: int) -> int:
    """Fail as a part with wrong rows does."""
    count_attempt(lake, part)
    raise DataError(f"part {part} has no rows")


def name_thread(lake: Lake, part: int) -> str:
    """Return the name of the thread that handles a part."""
    return threading.current_thread().name


def wait_for_attempts(lake: Lake, parts: str, attempts: int) -> None:
    """Wait until the parts whose numbers begin with a digit were handled so many times."""
    is_reached = poll_until(
        lambda: len(lake.keys(f"silver/attempts/{parts}")) >= attempts or None,
        timeout_seconds=START_TIMEOUT_SECONDS,
        interval_seconds=0.05,
    )
    assert is_reached, f"the parts {parts} were not handled {attempts} times"


def wait_for_file(lake: Lake, part: int, path: str) -> int:
    """Count the attempt, and wait until a file exists."""
    attempt = count_attempt(lake, part)
    exists = poll_until(
        lambda: Path(path).exists() or None,
        timeout_seconds=START_TIMEOUT_SECONDS,
        interval_seconds=0.05,
    )
    assert exists
    return attempt


class DaskProcesses:
    """A scheduler and workers, each a process that outlives the others.

    Attributes:
        folder: Where their logs are written.
        address: Address of the scheduler.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self._environment = folder, environment
        self._port = find_free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"tcp://127.0.0.1:{self._port}"

    def start_scheduler(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        self._start("scheduler", [*options, "--no-show"])

    def start_worker(self, name: str, **environment: str) -> None:
        """Start a worker with one thread.

        Args:
            name: Its name.
            **environment: Variables that differ from those of the other workers.
        """
        options = [self.address, "--name", name, "--nthreads", "1", "--host", "127.0.0.1"]
        self._start("worker", [*options, "--no-nanny", "--no-dashboard"], name, environment)

    def kill(self, name: str) -> None:
        """Kill a worker by its name, or the `scheduler`."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)

    def _start(
        self,
        kind: str,
        options: list[str],
        name: str = "scheduler",
        environment: dict[str, str] | None = None,
    ) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment, **(environment or {})},
            )


@contextlib.contextmanager
def dask_processes(folder: Path, lake: Lake, **environment: str) -> Iterator[DaskProcesses]:
    """Start a scheduler and a worker on a lake on disk; stop all of them at the end.

    Args:
        folder: Where their logs are written.
        lake: The lake.
        **environment: Further variables of the processes.
    """
    variables = {"MLOPS_LAKE__URL": f"file://{Path(lake.url('x')).parent}", "PYTHONPATH": str(ROOT)}
    processes = DaskProcesses(folder, variables | environment)
    try:
        processes.start_scheduler()
        processes.start_worker("one")
        yield processes
    finally:
        processes.close()
