"""Decide how a stage handles its parts, before it begins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from pipeline.console import echo
from pipeline.errors import MemoryLimitError
from pipeline.memory import find_limit
from pipeline.settings import Settings

PART_MEBIBYTES = 200
"""Memory that a function needs for one part, if its stage does not know better."""
PROCESS_MEBIBYTES = 300
"""Memory of a stage without any part: the interpreter and its libraries."""


@dataclass(frozen=True)
class Plan:
    """How parts are handled.

    Attributes:
        mode: `direct` in this process, one after another and without Dask; `threads` in this
            process, several at once; `workers` on the workers of a Dask scheduler.
        parts: Number of parts.
        threads: Number of threads; 0 on workers, whose number may change.
        scheduler: Address of the scheduler; empty in this process.
    """

    mode: Literal["direct", "threads", "workers"]
    parts: int
    threads: int = 1
    scheduler: str = ""

    def __str__(self) -> str:
        """Describe the plan for the stage's log, without a full stop."""
        if self.mode == "direct":
            return "in this process, in one part"
        if self.mode == "threads":
            return f"in this process, in {self.parts:,} parts, {self.threads} at a time"
        return f"in {self.parts:,} parts on the workers of {self.scheduler}"


def make_plan(parts: int, settings: Settings, mebibytes: float = PART_MEBIBYTES) -> Plan:
    """Decide how parts are handled.

    Args:
        parts: Number of parts.
        settings: All settings; `dask` names the scheduler.
        mebibytes: Memory that one part needs.

    Returns:
        The plan. In this process, it has no more threads than cores, nor more than fit into the
        memory limit of the container or the memory of the machine.

    Raises:
        MemoryLimitError: If not even one part fits into it.
    """
    if parts <= 1:
        return Plan("direct", parts)
    if settings.dask.scheduler:
        return Plan("workers", parts, 0, settings.dask.scheduler)
    limit = find_limit()
    threads = int((limit.mebibytes - PROCESS_MEBIBYTES) // mebibytes)
    if threads < 1:
        raise MemoryLimitError(
            f"one of the {parts:,} parts of the table needs about "
            f"{PROCESS_MEBIBYTES + mebibytes:,.0f} MiB of memory, but {limit}. Raise it (chart "
            "value stages.STAGE.resources.limits.memory), or use workers (chart value dask.enabled)"
        )
    return Plan("threads", parts, min(parts, _count_cores(), threads))


def print_plan(
    stage: str, parts: int, settings: Settings, mebibytes: float = PART_MEBIBYTES
) -> None:
    """Print how a stage handles its parts; call it once, before the first `run_parts`.

    Args:
        stage: Name of the stage.
        parts: Number of parts.
        settings: All settings.
        mebibytes: Memory that one part needs.
    """
    echo(f"{stage}: {make_plan(parts, settings, mebibytes)}")


def _count_cores() -> int:
    """Number of cores that this process may use, within the CPU limit of its container."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT) if CPU_COUNT else os.cpu_count() or 1
