"""Refuse a table that a stage cannot hold in memory, before the operating system kills the stage.

A stage calls `check_memory` once it knows the size of its table, and before it reads it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import MemoryLimitError

MEBIBYTE = 1 << 20

CGROUP_FILES = (
    Path("/sys/fs/cgroup/memory.max"),  # version 2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)
"""Where a container reads its memory limit."""
PROCESS_MEBIBYTES = 500
"""Memory of a process that fits models: 440 MiB were measured for 20,000 rows of 100 columns."""
PROCESSES_VARIABLE = "LOKY_MAX_CPU_COUNT"
"""Environment variable by which joblib limits its processes."""


class TableSize(NamedTuple):
    """Size of a table that a stage reads.

    Attributes:
        rows: Number of rows.
        columns: Number of columns.
        cell_columns: Number of columns that trees see (model/budget.py).
    """

    rows: int
    columns: int
    cell_columns: int


@dataclass(frozen=True)
class Need:
    """Peak memory of a stage, for tables of any size.

    Attributes:
        base_mebibytes: Memory without a table: the interpreter, the libraries, and what does not
            grow with the table.
        bytes_per_value: Memory per value; a table has rows times columns of them.
        bytes_per_cell: Memory per cell; a table has rows times columns that trees see of them.
        mebibytes_per_cell_column: Memory per column that trees see, whatever the rows.
    """

    base_mebibytes: float
    bytes_per_value: float
    bytes_per_cell: float
    mebibytes_per_cell_column: float

    def estimate(self, size: TableSize) -> float:
        """Return the peak memory for a table, in MiB."""
        rows, columns, cell_columns = size
        per_row = self.bytes_per_value * columns + self.bytes_per_cell * cell_columns
        fixed = self.base_mebibytes + self.mebibytes_per_cell_column * cell_columns
        return fixed + per_row * rows / MEBIBYTE


NEEDS = {
    "train": Need(
        base_mebibytes=260,
        bytes_per_value=17,
        bytes_per_cell=1,  # the bin of a value in model/compact_boosting.py
        # The histograms of a tree: 100 MiB were measured for 800 columns of categories.
        mebibytes_per_cell_column=0.125,
    ),
}
"""Stage -> its peak memory; see docs/reference/scale.md."""


@dataclass(frozen=True)
class Limit:
    """How much memory a process may use.

    Attributes:
        mebibytes: How much.
        is_container: Whether it is the limit of a container, and not the memory of the machine.
    """

    mebibytes: float
    is_container: bool

    def __str__(self) -> str:
        """A clause for an error."""
        owner = "the limit of its container is" if self.is_container else "this machine has"
        return f"{owner} {self.mebibytes:,.0f} MiB"


def find_limit() -> Limit:
    """Return the memory limit of the container, or else the memory of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in CGROUP_FILES:
        text = path.read_text().strip() if path.exists() else "max"
        if text.isdecimal() and int(text) < machine:
            return Limit(int(text) / MEBIBYTE, is_container=True)
    return Limit(machine / MEBIBYTE, is_container=False)


def limit_processes(held_bytes: int = 0) -> None:
    """Let joblib start only as many processes as fit into the memory, next to the stage itself.

    A pod without a CPU limit sees all cores of its node, and would start a process for each.

    Args:
        held_bytes: Size of the rows that the stage holds.
    """
    free = find_limit().mebibytes - held_bytes / MEBIBYTE
    most = int(free // PROCESS_MEBIBYTES) - 1
    os.environ.setdefault(PROCESSES_VARIABLE, str(max(1, most)))


def check_memory(stage: str, size: TableSize, location: str, bound: str) -> None:
    """Check that a stage can hold a table in memory.

    Args:
        stage: Name of the stage, a key of NEEDS.
        size: Size of the rows that it reads.
        location: Where the table is stored, for the error.
        bound: Setting that bounds the rows, for the error.

    Raises:
        MemoryLimitError: If its estimated peak is above the limit of the container or the memory of
            the machine.
    """
    need, limit = NEEDS[stage].estimate(size), find_limit()
    if need <= limit.mebibytes:
        return
    advice = "Run it on a machine with more memory"
    if limit.is_container:
        advice = f"Raise it (chart value stages.{stage}.resources.limits.memory)"
    raise MemoryLimitError(
        f"{stage} needs about {need:,.0f} MiB of memory for {size.rows:,} rows and {size.columns} "
        f"columns ({size.cell_columns} for trees) of {location}, but {limit}. {advice}, or lower "
        f"{bound}"
    )
