"""Size, start and idle memory of Dask, Ray and Spark: the table of docs/why.md.

Each engine is installed into its own environment, and started on this machine with one worker.
Spark also needs a Java runtime, whose size is added.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.cached import ROOT, hash_code, measure, read_results
from tests.bench.environments import create_environment
from tests.bench.tables import put, table

PAGE, NAME, RESULTS = ROOT / "docs" / "why.md", "engines", "engines"
SESSIONS = Path(__file__).with_name("engine_sessions")
ENGINES = {"Dask": ("dask", "dask"), "Ray": ("ray", "ray"), "Spark": ("pyspark", "spark")}
"""Name -> environment, and program."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ROUNDS = 3


def measure_engine(name: str) -> dict[str, Any]:
    """Return the size of the packages, the CPU time of a start, and the memory of a session."""
    environment, program = ENGINES[name]
    requirements = SESSIONS / f"requirements-{environment}.txt"
    python = create_environment(environment, requirements, PYTHON)
    (packages,) = (python.parents[1] / "lib").glob("python3*/site-packages")
    sessions = [run_session(python, SESSIONS / f"{program}_session.py") for _ in range(ROUNDS)]
    return {
        "version": requirements.read_text().splitlines()[0],
        "megabytes": round(get_size(packages) / 1e6),
        "java_megabytes": round(get_size(find_java()) / 1e6) if name == "Spark" else 0,
        "cpu_seconds": round(statistics.median(session["seconds"] for session in sessions), 1),
        "processes": sessions[-1]["processes"],
        "mebibytes": round(statistics.median(session["mebibytes"] for session in sessions)),
    }


def get_size(folder: Path) -> int:
    """Return the bytes of the files in a folder, without byte code."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc")


def find_java() -> Path:
    """Return the folder of the Java runtime."""
    java = shutil.which("java")
    assert java, "Spark needs a Java runtime; install one with `make tools`"
    return Path(java).resolve().parents[1]


def run_session(python: Path, program: Path) -> dict[str, float]:
    """Start a session, and measure it once its first task has a result."""
    with subprocess.Popen(
        [python, "-W", "ignore", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=program.parent,
    ) as process:
        assert process.stdin and process.stdout
        line = process.stdout.readline()
        assert line == "ready\n", f"{program.name} ended"
        seconds, memory = measure_tree(process.pid)
        process.stdin.close()
    return {"seconds": seconds, "processes": len(memory), "mebibytes": sum(memory)}


def measure_tree(pid: int) -> tuple[float, list[float]]:
    """Return the CPU time of a process and its descendants, and the memory of each that runs."""
    pids = list(list_tree(pid))
    memory = [found for found in map(get_memory, pids) if found]
    return sum(map(get_cpu_seconds, pids)), memory


def list_tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from list_tree(int(child))


def get_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def get_memory(pid: int) -> float:
    """Return the memory of a process in MiB, with its share of what processes have in common.

    A process that has ended, and that its parent has not waited for, has none.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except ProcessLookupError:
        return 0
    (line,) = [line for line in lines if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024


def read_or_measure(name: str) -> dict[str, Any]:
    """Return the results of an engine."""
    environment, program = ENGINES[name]
    paths = [Path(__file__), SESSIONS / f"{program}_session.py"]
    code = hash_code(paths, (SESSIONS / f"requirements-{environment}.txt").read_text())
    results: dict[str, Any] = measure(RESULTS, name, code, lambda: measure_engine(name))
    return results


def format_table(results: dict[str, dict[str, Any]]) -> str:
    """Return the table of docs/why.md."""
    rows = []
    for name, found in results.items():
        java = found["java_megabytes"]
        size = f"{found['megabytes']} MB" + (f" and {java} MB of Java" if java else "")
        memory = f"{found['mebibytes']} MiB in {found['processes']} processes"
        rows.append((name, f"`{found['version']}`", size, f"{found['cpu_seconds']} s", memory))
    header = ("engine", "version", "installed", "CPU time to the first result", "idle memory")
    return table(header, rows)


def format_stored() -> str:
    """Return the table of the stored results."""
    stored = read_results(RESULTS)
    return format_table({name: stored[name]["results"] for name in ENGINES})


def main() -> None:
    """Write the table."""
    put(PAGE, NAME, format_table({name: read_or_measure(name) for name in ENGINES}))


if __name__ == "__main__":
    main()
