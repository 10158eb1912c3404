"""A stage that is killed at one of its writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pipeline.context import Context
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import Registry

LAKE_WRITES = ("write", "create", "delete")
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
)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


class Fuse:
    """Counts writes; at write `at` (from 1) it kills, before the write is done or after it."""

    def __init__(self, at: int, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0

    def wrap(self, target: Any, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(target, name, self.counted(getattr(target, name)))

    def counted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self.at and not self.after:
                raise Killed
            result = write(*arguments, **options)
            if self.count == self.at:
                raise Killed
            return result

        return counted


def dying(context: Context, fuse: Fuse) -> Context:
    """The same context, whose writes the fuse counts."""
    lake, registry = Lake(context.lake._store), Registry(context.settings.mlflow)
    fuse.wrap(lake, LAKE_WRITES)
    fuse.wrap(registry, REGISTRY_WRITES)
    return replace(context, lake=lake, registry=registry)


def kill_points(run: Callable[[Fuse], None]) -> Iterator[Fuse]:
    """Fuses for the writes that matter: the first, the last, and two between them.

    `run` is called once to count the writes.
    """
    counter = Fuse(0, after=False)
    run(counter)
    last = counter.count
    for at, after in (
        (1, False),
        (1, True),
        (1 + last // 3, True),
        (1 + 2 * last // 3, False),
        (last, False),
        (last, True),
    ):
        fuse = Fuse(at, after)
        yield fuse
        assert fuse.count >= at, "the run ended before the write at which it was to be killed"
