"""Dask's scheduler and workers, as `python -m pipeline dask` runs them in containers."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.compute.security import make_security
from pipeline.console import echo
from pipeline.settings.connections import DaskSettings

if TYPE_CHECKING:
    from distributed import Scheduler, Worker

SCHEDULER_PORT = 8786
DASHBOARD_PORT = 8787
WORKER_PORT = 8788
WORKER_HEALTH_PORT = 8790

CONFIG: dict[str, Any] = {
    # A worker's HTTP server only answers the kubelet's probes.
    "distributed.worker.http.routes": ["distributed.http.health"],
    # Rows pass through the lake, so memory in use is memory of a running task, which a pause would
    # not free: a paused worker would never continue.
    "distributed.worker.memory.pause": False,
    # A task whose workers were killed this often is not started again.
    "distributed.scheduler.allowed-failures": 3,
    "distributed.diagnostics.nvml": False,
    "distributed.admin.tick.limit": "30s",  # tasks hold the interpreter's lock for seconds
}
POLL_SECONDS = 0.1


def run_scheduler(
    settings: DaskSettings,
    *,
    port: int = SCHEDULER_PORT,
    dashboard_port: int = DASHBOARD_PORT,
) -> None:
    """Run a scheduler until the process receives SIGTERM or SIGINT.

    Args:
        settings: The certificates.
        port: Port for workers and clients.
        dashboard_port: Port of the dashboard and of `/health`.
    """
    asyncio.run(_serve_scheduler(settings, port, dashboard_port))


async def _serve_scheduler(settings: DaskSettings, port: int, dashboard_port: int) -> None:
    received = _catch_signals()
    import dask
    from distributed import Scheduler

    dask.config.set(CONFIG)
    scheduler: Scheduler = await Scheduler(
        host=_get_host(settings),
        port=port,
        protocol="tls" if settings.is_encrypted else "tcp",
        security=make_security(settings),
        dashboard_address=f":{dashboard_port}",
    )
    echo(f"dask: the scheduler listens at {scheduler.address}")
    await received.wait()
    await scheduler.close(reason="signal")


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker runs.

    Attributes:
        name: Name of the worker. By default it is made from the host's name.
        threads: Number of tasks that run at the same time.
        drain_timeout_seconds: How long tasks may run after the signal.
        port: Port for the scheduler and other workers; 0 for any.
        health_port: Port of `/health`; 0 for any.
    """

    name: str = ""
    threads: int = 1
    drain_timeout_seconds: float = 120
    port: int = WORKER_PORT
    health_port: int = WORKER_HEALTH_PORT


def run_worker(settings: DaskSettings, options: WorkerOptions) -> None:
    """Run a worker until the process receives SIGTERM or SIGINT.

    After the signal the worker gets no further tasks, finishes those that it has started, and moves
    their results to other workers. If the scheduler goes away, the process starts again with the
    same arguments and waits for the next one; its tasks end with it.

    Args:
        settings: Address of the scheduler, and the certificates.
        options: How the worker runs.
    """
    is_lost = asyncio.run(_serve_worker(settings, options))
    if is_lost:
        echo("dask: the scheduler has closed the connection; the worker starts again", "yellow")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


async def _serve_worker(settings: DaskSettings, options: WorkerOptions) -> bool:
    """Run a worker; return True if the scheduler went away, and False after a signal."""
    received = _catch_signals()
    import dask
    from distributed import Worker
    from distributed.system import MEMORY_LIMIT

    dask.config.set(CONFIG)
    logging.getLogger("distributed.worker").setLevel(logging.WARNING)  # it logs each attempt
    echo(f"dask: the worker connects to {settings.scheduler}")
    signalled = asyncio.create_task(received.wait())
    worker = Worker(
        settings.scheduler,
        nthreads=options.threads,
        memory_limit=MEMORY_LIMIT,  # of the container; "auto" would divide it by the node's cores
        # The scheduler accepts a name once, and may not know yet that the container restarted.
        name=options.name or f"{socket.gethostname()}-{secrets.token_hex(2)}",
        local_directory=str(Path(tempfile.gettempdir(), "dask")),
        host=_get_host(settings),
        port=options.port,
        security=make_security(settings),
        dashboard_address=f":{options.health_port}",
    )
    started = asyncio.ensure_future(_start(worker))
    await asyncio.wait([started, signalled], return_when=asyncio.FIRST_COMPLETED)
    if not started.done():  # Dask would try to connect for ever; there is nothing to finish
        os._exit(0)
    started.result()
    echo(f"dask: the worker {worker.name} is connected to {settings.scheduler}")
    finished = asyncio.create_task(worker.finished())
    await asyncio.wait([finished, signalled], return_when=asyncio.FIRST_COMPLETED)
    if finished.done():
        return not signalled.done()
    drained = asyncio.create_task(_drain(worker, options.drain_timeout_seconds))
    await asyncio.wait([finished, drained], return_when=asyncio.FIRST_COMPLETED)
    return False


def _get_host(settings: DaskSettings) -> str | None:
    """Return the address to listen on: every one, or this machine's loopback without TLS."""
    return None if settings.is_encrypted else "127.0.0.1"


async def _start(worker: Worker) -> None:
    await worker


async def _drain(worker: Worker, timeout_seconds: float) -> None:
    """Finish the tasks that have started, move results to other workers, and close."""

    async def finish() -> None:
        await _retire(worker, remove=False)
        while worker.state.executing_count:
            await asyncio.sleep(POLL_SECONDS)
        await _retire(worker, remove=True)

    echo(f"dask: the worker {worker.name} finishes {worker.state.executing_count} tasks")
    try:
        await asyncio.wait_for(finish(), timeout_seconds)
    except (TimeoutError, OSError) as error:
        echo(
            f"dask: the worker {worker.name} closes with {worker.state.executing_count} tasks "
            f"unfinished after at most {timeout_seconds:g} s ({type(error).__name__}); other "
            "workers do them again",
            "yellow",
        )
    await worker.close(timeout=1, executor_wait=False, reason="drained")


async def _retire(worker: Worker, *, remove: bool) -> None:
    """Let the scheduler send no more tasks, and move results to other workers."""
    await worker.scheduler.retire_workers(
        workers=[worker.address],
        close_workers=False,
        remove=remove,
        stimulus_id=f"drain-{worker.name}",
    )


def _catch_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    received = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received.set)
    return received
