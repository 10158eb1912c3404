"""Kill a stage at one of its writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pipeline.context import Context
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import Registry

LAKE_WRITES = ("write", "create", "write_file", "create_file", "delete", "erase")
REGISTRY_WRITES = (
    "set_alias",
    "delete_alias",
    "set_tag",
    "delete_tag",
    "start_run",
    "end_run",
    "log_run",
    "log_artifacts",
    "register",
    "delete_version",
)


class Killed(BaseException):
    """The process was killed. It is no Exception, so no code under test catches it."""


class FaultInjector:
    """Counts writes and raises Killed at one of them.

    Attributes:
        at: Number of the write, from 1; 0 kills at no write.
        after: Whether the write is done first.
        count: Writes so far.
    """

    def __init__(self, at: int = 0, after: bool = False) -> None:
        self.at, self.after, self.count = at, after, 0

    def wrap(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """A function that does a write, unless it is killed at it."""

        def counted(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.at and self.count > self.at:  # a killed process does not clean up
                raise Killed
            if self.count == self.at and not self.after:
                raise Killed
            result = write(*arguments, **options)
            if self.count == self.at:
                raise Killed
            return result

        return counted

    def wrap_methods(self, target: Any, names: tuple[str, ...]) -> None:
        """Wrap these methods of an object."""
        for name in names:
            setattr(target, name, self.wrap(getattr(target, name)))


def with_faults(context: Context, faults: FaultInjector) -> Context:
    """The same context with a lake and a registry whose writes pass through the injector."""
    lake, registry = Lake(context.lake._store), Registry(context.settings.mlflow)
    faults.wrap_methods(lake, LAKE_WRITES)
    faults.wrap_methods(registry, REGISTRY_WRITES)
    return replace(context, lake=lake, registry=registry)


def sample_kill_points(writes: int) -> list[tuple[int, bool]]:
    """Where to kill a run of so many writes: after the first, at two between, around the last.

    A run that is killed before its first write leaves nothing.

    Returns:
        Number of the write, and whether it is done before the kill.
    """
    return [
        (1, True),
        (1 + writes // 3, True),
        (1 + 2 * writes // 3, False),
        (writes, False),
        (writes, True),
    ]


def kill_points(run: Callable[[FaultInjector], None]) -> Iterator[FaultInjector]:
    """Yield an injector for each kill point of a run.

    Args:
        run: Runs with an injector; called once, to count the writes.
    """
    counter = FaultInjector()
    run(counter)
    for at, after in sample_kill_points(counter.count):
        faults = FaultInjector(at, after)
        yield faults
        assert faults.count >= at, "the run ended before the write at which to kill it"
