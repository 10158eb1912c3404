"""Functions of parts that Dask workers import, and such workers as processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.commands.local_servers import find_free_port
from pipeline.compute import workers
from pipeline.errors import DataError, LakeError
from pipeline.polling import poll_until
from pipeline.storage.lake import Lake
from pipeline.types import IntArray
from tests.support.certificates import write_certificate

ROOT = Path(__file__).parents[2]
START_TIMEOUT_SECONDS = 150


def write_part(lake: Lake, part: int, factor: int = 1) -> int:
    """Write a number to the lake and return it; a part's number is its key."""
    lake.write(f"silver/parts/{part}", str(part * factor).encode())
    return part * factor


def add_item(lake: Lake, part: int, arrays: list[IntArray]) -> int:
    """Return the sum of an item of each array."""
    return int(sum(array[part] for array in arrays))


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


def make_certificate(folder: Path) -> dict[str, str]:
    """Write a certificate that is its own authority; return the settings that name its files."""
    certificate, key = map(str, write_certificate(folder, "dask.test"))
    return {"ca": certificate, "certificate": certificate, "key": key}


class DaskProcesses:
    """A scheduler and workers, each a process that outlives the others.

    Attributes:
        folder: Where their logs are written.
        lake_url: URL of their lake, which is in that folder.
        address: Address of the scheduler.
        settings: Settings of a client, by their names in the section `dask`.
        variables: Environment of the processes.
    """

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self.folder = folder
        self.lake_url = f"file://{folder}/lake"
        self._port = find_free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"{'tls' if tls else 'tcp'}://127.0.0.1:{self._port}"
        certificate = make_certificate(folder) if tls else {}
        self.settings: dict[str, Any] = {"scheduler": self.address, **certificate}
        variables = {f"MLOPS_DASK__{name.upper()}": value for name, value in self.settings.items()}
        environment = {"MLOPS_LAKE__URL": self.lake_url, "PYTHONPATH": str(ROOT)}
        self.variables = variables | environment

    def start_scheduler(self) -> None:
        self._start("scheduler", ["--port", str(self._port), "--dashboard-port", "0"])

    def start_worker(self, name: str, **environment: str) -> None:
        """Start a worker with one thread.

        Args:
            name: Its name.
            **environment: Variables that differ from those of the other workers.
        """
        options = ["--name", name, "--port", "0", "--health-port", "0"]
        self._start("worker", options, name, environment)

    def kill(self, name: str) -> None:
        """Kill a worker by its name, or the `scheduler`."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker or the `scheduler`."""
        self._processes[name].send_signal(number)

    def get_pid(self, name: str) -> int:
        """Return the process id of a worker or of the `scheduler`."""
        return self._processes[name].pid

    def wait_for_log(self, name: str, text: str) -> None:
        """Wait until a process has logged a text."""
        log = self.folder / f"{name}.log"
        found = poll_until(
            lambda: text in log.read_text() or None,
            timeout_seconds=START_TIMEOUT_SECONDS,
            interval_seconds=0.05,
        )
        assert found, log.read_text()

    def wait(self, name: str) -> int:
        """Wait until a process has ended, and return its exit code."""
        return self._processes.pop(name).wait(START_TIMEOUT_SECONDS)

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
        command = [sys.executable, "-m", "pipeline", "dask", kind, *options]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.variables, **(environment or {})},
            )


@contextlib.contextmanager
def dask_processes(folder: Path, *, tls: bool = False) -> Iterator[DaskProcesses]:
    """Start a scheduler and a worker; stop all of them at the end, and close the connection.

    Args:
        folder: Where their logs are written; its folder `lake` is their lake.
        tls: Whether they accept only connections with a certificate that is made for them.
    """
    processes = DaskProcesses(folder, tls=tls)
    try:
        processes.start_scheduler()
        processes.start_worker("one")
        yield processes
    finally:
        processes.close()
        workers.close()
