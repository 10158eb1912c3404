"""Run the fits of a training on the workers, by joblib's Dask backend.

Rows of fits go to the workers through the scheduler, unlike those of parts: they are a sample.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.compute.task import Origin, check_origin
from pipeline.console import echo
from pipeline.errors import WorkersError
from pipeline.settings import Settings
from pipeline.storage.lake import open_lake

if TYPE_CHECKING:
    from pipeline.compute.parts import Environment


@contextlib.contextmanager
def share_fits(context: Environment, functions: Sequence[Callable[..., Any]]) -> Iterator[None]:
    """Let joblib run its calls on the workers of MLOPS_DASK__SCHEDULER, if that is set.

    Without it, joblib starts processes on this machine, as by default.

    Args:
        context: The settings, and the lake of this process.
        functions: What joblib calls. Workers with other code, another columns file or another lake
            are refused.

    Raises:
        WorkersError: If the workers cannot be used.
    """
    settings = context.settings.dask
    if not settings.scheduler:
        yield
        return
    import joblib
    from distributed.comm import CommClosedError

    from pipeline.compute.workers import connect, wait_for_workers

    client = connect(settings)
    threads = wait_for_workers(client, settings)
    origins = [(function, Origin.of(context.lake, function)) for function in functions]
    for reason in client.run(find_difference, origins).values():
        if reason is not None:
            raise reason
    echo(f"the fits run on {len(client.nthreads())} workers with {threads} threads")
    try:
        with joblib.parallel_config("dask", client=client):
            yield
    except (CommClosedError, TimeoutError) as error:
        raise WorkersError(
            f"the connection to the Dask scheduler at {settings.scheduler} was lost during the "
            f"fits: {error}. Read its log, then run the stage again"
        ) from error


def find_difference(
    origins: Sequence[tuple[Callable[..., Any], Origin]], dask_worker: Any
) -> WorkersError | None:
    """Compare a worker with the stage, on the worker.

    Args:
        origins: Each function, with its origin in the stage.
        dask_worker: The worker; Dask passes it by this name.

    Returns:
        The error to raise, if they differ.
    """
    lake = open_lake(Settings.load().lake)
    try:
        for function, expected in origins:
            check_origin(str(dask_worker.name), Origin.of(lake, function), expected)
    except WorkersError as error:
        return error
    return None
