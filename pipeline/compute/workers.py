"""Run parts on the workers of a Dask scheduler.

Dask runs a task again if its worker dies. If the scheduler dies, every part without a result is
submitted again once there is a scheduler at the address.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.compute.constants import SentConstants, send_constants
from pipeline.compute.security import make_security
from pipeline.compute.task import Origin, Outcome, run_task
from pipeline.console import echo
from pipeline.errors import LakeError, WorkersError
from pipeline.settings.connections import DaskSettings
from pipeline.storage.lake import Lake
from pipeline.storage.layout import dask_report

if TYPE_CHECKING:
    from distributed import Client, Future

    from pipeline.compute.parts import Environment

Part = TypeVar("Part")
Result = TypeVar("Result")

PARTS_PER_THREAD = 4
"""Parts that are submitted, or wait for an earlier part, for each thread of the workers."""
RETRIES = 2
"""Further attempts of a part that failed with an error that another attempt can avoid."""
MAX_SCHEDULER_LOSSES = 5
CHECK_SECONDS = 2.0
"""How often the connection and the workers are checked while no part ends."""
REPORT_TIMEOUT_SECONDS = 60
STARTED = time.time()

_clients: dict[DaskSettings, Client] = {}
"""The connection of this process."""


def run_on_workers(
    function: Callable[..., Result],
    parts: Sequence[Part],
    context: Environment,
    constants: dict[str, Any],
    array_key: Callable[[str], str] | None = None,
) -> Iterator[Result]:
    """Apply a function to every part on the workers; see `run_parts`.

    Args:
        function: A function of a module, which workers import.
        parts: The parts.
        context: The settings and the lake of this process.
        constants: Keyword arguments of the function.
        array_key: Returns the key of a large array in them from its hash; see `run_parts`.

    Yields:
        The result of each part, in the order of the parts.

    Raises:
        WorkersError: If the scheduler or its workers cannot be used.
        PipelineError: What the function raised.
    """
    origin = Origin.of(context.lake, function)
    with send_constants(context.lake, constants, array_key) as sent:
        run = _Run(parts, (function, sent, origin), context.settings.dask)
        try:
            yield from run.results()
        finally:
            run.close()


class _Run:
    """The parts of one call, of which a bounded number is submitted."""

    def __init__(
        self,
        parts: Sequence[Any],
        work: tuple[Callable[..., Any], SentConstants, Origin],
        settings: DaskSettings,
    ) -> None:
        self._parts, self._work, self._settings = parts, work, settings
        self._ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        self._submitted: dict[int, Future[Outcome]] = {}  # index of a part -> its task
        self._done: dict[int, Outcome] = {}  # results that wait for an earlier part
        self._counts: Counter[str] = Counter()
        self._losses = self._threads = 0
        self._client = connect(settings)

    def results(self) -> Iterator[Any]:
        self._threads = wait_for_workers(self._client, self._settings)
        for index in range(len(self._parts)):
            window = PARTS_PER_THREAD * self._threads
            for ahead in range(index, min(index + window, len(self._parts))):
                if ahead not in self._submitted and ahead not in self._done:
                    self._submit(ahead)
            while index not in self._done:
                self._collect()
            yield self._done.pop(index).value
        listed = ", ".join(f"{name} {count:,}" for name, count in sorted(self._counts.items()))
        workers = f"{len(self._counts)} worker{'s' * (len(self._counts) > 1)}"
        echo(f"{len(self._parts):,} parts were handled by {workers}: {listed}")

    def close(self) -> None:
        """Cancel what is left."""
        if self._submitted and self._is_connected():
            self._client.cancel(list(self._submitted.values()))
        self._submitted.clear()

    def _submit(self, index: int) -> None:
        function, constants, origin = self._work
        future = self._client.submit(
            run_task, function, self._parts[index], constants, origin, pure=False, retries=RETRIES
        )
        self._submitted[index] = future
        future.add_done_callback(self._ended.put)

    def _collect(self) -> None:
        """Wait for a task, and keep its result or submit it again."""
        try:
            future = self._ended.get(timeout=CHECK_SECONDS)
        except queue.Empty:
            if not self._is_connected():
                self._reconnect()
            else:
                self._threads = wait_for_workers(self._client, self._settings)
            return
        index = next((i for i, own in self._submitted.items() if own is future), None)
        if index is None:  # of a scheduler that is gone
            return
        if future.status in ("cancelled", "lost"):
            self._reconnect()
            return
        outcome = _get_result(future)
        if outcome.error:
            raise outcome.error
        del self._submitted[index]
        self._done[index] = outcome
        self._counts[outcome.worker] += 1

    def _is_connected(self) -> bool:
        comm = self._client.scheduler_comm
        return self._client.status == "running" and comm is not None and not comm.comm.closed()

    def _reconnect(self) -> None:
        """Connect to the scheduler again, and submit every part that has no result."""
        self._losses += 1
        address = self._settings.scheduler
        if self._losses > MAX_SCHEDULER_LOSSES:
            raise WorkersError(
                f"the connection to the Dask scheduler at {address} was lost "
                f"{self._losses} times. Read its log, then run the stage again"
            )
        lost = list(self._submitted)
        echo(
            f"lost the connection to the Dask scheduler at {address}; {len(lost)} parts are "
            "submitted again",
            "yellow",
        )
        self._submitted.clear()
        _clients.clear()
        self._client.close(timeout=CHECK_SECONDS)
        self._client = connect(self._settings)
        wait_for_workers(self._client, self._settings)
        for index in lost:
            self._submit(index)


def connect(settings: DaskSettings) -> Client:
    """Connect to the scheduler, once per process.

    Args:
        settings: Its address and the certificates.

    Raises:
        WorkersError: If it does not respond.
    """
    try:
        if settings not in _clients:
            _clients[settings] = _open_client(settings)
        return _clients[settings]
    except (OSError, ValueError) as error:
        raise WorkersError(
            f"the Dask scheduler at {settings.scheduler} did not respond within "
            f"{settings.timeout_seconds} s: {error}. Check that it is running and that the "
            "certificates are its own, or unset MLOPS_DASK__SCHEDULER to work in this process"
        ) from error


def _open_client(settings: DaskSettings) -> Client:
    from distributed import Client

    # It logs the traceback of each attempt to connect again, which `_reconnect` reports.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    client = Client(
        settings.scheduler,
        security=make_security(settings),
        timeout=settings.timeout_seconds,
        set_as_default=False,
        name="student-mlops",
    )
    client.get_task_stream(start=0, stop=0)  # the scheduler records tasks from now on
    return client


def write_report(lake: Lake, run_id: str, stage: str) -> None:
    """Write Dask's report of what the workers did for a stage into the lake.

    It has the tasks of each worker over time, a profile of their code, and what they sent to each
    other. It is one HTML file, which needs no server.

    Args:
        lake: The data lake.
        run_id: Id of the pipeline run.
        stage: Name of the stage.
    """
    connected = [client for client in _clients.values() if client.status == "running"]
    if not connected:
        return
    client = connected[-1]
    key = dask_report(run_id, stage)
    try:
        page: str = client.sync(
            client.scheduler.performance_report,
            start=STARTED,
            last_count=0,
            mode="inline",
            callback_timeout=REPORT_TIMEOUT_SECONDS,
        )
        lake.write(key, page.encode())
    except (OSError, TimeoutError, LakeError) as error:
        echo(f"Dask's report could not be written: {error}", "yellow")
    else:
        echo(f"{lake.url(key)} shows what the workers did")


def close() -> None:
    """Close the connection of this process."""
    for client in _clients.values():
        client.close()
    _clients.clear()


def wait_for_workers(client: Client, settings: DaskSettings) -> int:
    """Wait until there is a worker.

    Returns:
        Number of threads of all workers.

    Raises:
        WorkersError: If there is none before the timeout.
    """
    try:
        client.wait_for_workers(1, timeout=settings.timeout_seconds)
    except TimeoutError:
        raise WorkersError(
            f"the Dask scheduler at {settings.scheduler} had no workers for "
            f"{settings.timeout_seconds} s. Start some (chart value dask.workers.replicas), or "
            "unset MLOPS_DASK__SCHEDULER to work in this process"
        ) from None
    return sum(client.nthreads().values())


def _get_result(future: Future[Outcome]) -> Outcome:
    """The result of a task that has ended.

    Raises:
        WorkersError: If its workers died, or could not load the function.
    """
    from distributed.scheduler import KilledWorker

    try:
        outcome: Outcome = future.result()
    except KilledWorker as error:
        raise WorkersError(
            f"{error.allowed_failures + 1} workers died while they handled the same part, the last "
            f"was {error.last_worker}. Give the workers more memory, or look into their logs"
        ) from None
    except (ImportError, AttributeError) as error:
        raise WorkersError(
            f"a worker cannot load the function of this stage: {error}. Update the workers' image"
        ) from None
    return outcome
