"""CPU time and memory of a process, or of all its children too, read from Linux's /proc."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL_SECONDS = 0.5
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass
class Usage:
    """What a process and its children used.

    Attributes:
        cpu_seconds: User and system time.
        mebibytes: Peak of the sum of their resident memory. Shared pages count in each process.
    """

    seconds_by_process: dict[int, float] = field(default_factory=dict)
    mebibytes: float = 0.0

    @property
    def cpu_seconds(self) -> float:
        return sum(self.seconds_by_process.values())


def run_and_measure(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Usage:
    """Run a command in a folder; return what it used.

    Raises:
        subprocess.CalledProcessError: If the command fails.
    """
    usage = Usage()
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
    while process.poll() is None:
        _sample(process.pid, usage)
        time.sleep(INTERVAL_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage


def _sample(root: int, usage: Usage) -> None:
    """Add the processes that run now: their time so far, and the sum of their memory."""
    parents, seconds, pages = {}, {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        fields = text.rpartition(")")[2].split()
        number = int(path.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = (int(fields[11]) + int(fields[12])) / TICKS
        pages[number] = int(fields[21])
    members, before = {root} & parents.keys(), 0
    while len(members) > before:
        before = len(members)
        members |= {number for number, parent in parents.items() if parent in members}
    usage.seconds_by_process.update({number: seconds[number] for number in members})
    memory = sum(pages[number] for number in members) * PAGE / (1 << 20)
    usage.mebibytes = max(usage.mebibytes, memory)


def read_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a running process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_mebibytes(pid: int, name: str = "VmRSS") -> float:
    """Return a size in the status of a running process, by default its resident memory, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
