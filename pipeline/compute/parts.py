"""Apply a function to every part of a table, and yield the results in the order of the parts.

A stage writes its data work as a function of one part, and merges the results. Without a scheduler
the parts run in threads of the stage's own process; with MLOPS_DASK__SCHEDULER they run on Dask
workers. Rows pass through the lake: a part and its result hold keys, hashes and counts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from pipeline.compute.plan import PART_MEBIBYTES, make_plan
from pipeline.settings import Settings
from pipeline.storage.lake import Lake

Part = TypeVar("Part")
Result = TypeVar("Result")

WAVE_PARTS = 256
"""Parts of one Dask graph in this process. Their results are in memory at once."""


class Environment(Protocol):
    """What parts need of a context."""

    @property
    def settings(self) -> Settings: ...
    @property
    def lake(self) -> Lake: ...


def run_parts(
    function: Callable[..., Result],
    parts: Sequence[Part],
    context: Environment,
    *,
    mebibytes: float = PART_MEBIBYTES,
    array_key: Callable[[str], str] | None = None,
    **constants: Any,
) -> Iterator[Result]:
    """Apply a function to every part.

    The function is called as `function(lake, part, **constants)`. A worker may call it more than
    once for a part, so it must write the same bytes to the same keys each time. One part is
    handled in this process, without Dask.

    Args:
        function: A function of a module, which workers import. Each result should be small.
        parts: The parts, which can be pickled.
        context: The settings, whose `dask` names the scheduler, and the lake of this process. A
            worker opens its own lake, from its own settings.
        mebibytes: Memory that the function needs for one part, which bounds the threads.
        array_key: Returns the key of a large array in the constants from its hash. Workers read the
            array from there, once per process; it is deleted at the end. None sends it with every
            part.
        **constants: Keyword arguments that are the same for every part.

    Yields:
        The result of each part, in the order of the parts.

    Raises:
        WorkersError: If the workers cannot be used.
        PipelineError: What the function raised.
    """
    plan = make_plan(len(parts), context.settings, mebibytes)
    if plan.mode == "workers":
        from pipeline.compute.workers import run_on_workers

        yield from run_on_workers(function, parts, context, constants, array_key)
    elif plan.mode == "threads":
        yield from _run_threads(function, parts, context.lake, constants, plan.threads)
    else:
        for part in parts:
            yield function(context.lake, part, **constants)


def _run_threads(
    function: Callable[..., Result],
    parts: Sequence[Part],
    lake: Lake,
    constants: dict[str, Any],
    threads: int,
) -> Iterator[Result]:
    """Run graphs of at most WAVE_PARTS parts on Dask's threaded scheduler."""
    import dask
    from dask.threaded import get

    for start in range(0, len(parts), WAVE_PARTS):
        wave = parts[start : start + WAVE_PARTS]
        calls = [functools.partial(function, lake, part, **constants) for part in wave]
        tasks = [dask.delayed(call, pure=False, traverse=False)() for call in calls]
        # The name "threads" instead of `get` would make Dask import distributed, which takes time.
        yield from dask.compute(*tasks, scheduler=get, num_workers=threads)
