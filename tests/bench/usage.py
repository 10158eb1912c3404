"""What a process needs: time, processor time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.stages import EXIT_OK, EXIT_SKIPPED
from tests.bench.cached import ROOT

RUNNER = """
import os, sys
process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
"""
"""Runs Python from a small process, because the peak of a child includes that of its parent."""


@dataclass(frozen=True)
class Usage:
    """What a process needed.

    Attributes:
        seconds: Its time.
        cpu_seconds: Its processor time, which depends little on other work of the machine.
        mebibytes: Its peak resident memory.
        log: What it wrote to its standard error.
        output: What it wrote to its standard output.
    """

    seconds: float
    cpu_seconds: float
    mebibytes: float
    log: str = ""
    output: str = ""


def run_python(arguments: Iterable[str], environment: dict[str, str]) -> Usage:
    """Run Python in a new process.

    Args:
        arguments: Arguments of the interpreter.
        environment: Variables to add to the environment.

    Raises:
        AssertionError: If it fails.
    """
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    *output, last = process.stdout.splitlines()
    code, kibibytes, cpu_seconds = last.split()
    assert int(code) in (EXIT_OK, EXIT_SKIPPED), process.stderr
    return Usage(
        seconds, float(cpu_seconds), int(kibibytes) / 1024, process.stderr, "\n".join(output)
    )
