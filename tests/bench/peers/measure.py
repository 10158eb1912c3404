"""Measures the predictor beside its peers: `python -m tests.bench.peers.measure`, from the project's folder.

Each server runs alone, held to one core; the load comes from another one. Its maximum is what wrk reaches over kept-alive
connections, the best of several numbers of them; its latency is taken with an open-loop load (oha: a request's time counts from
when it was due, whether or not earlier ones were answered) at half of that. Rounds are interleaved, so that a busy machine is
busy for all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.peers.prepare import ROWS, TREES, prepare
from tests.bench.peers.servers import ROOT, SERVERS, VENVS, Server, environment_of, venv

SERVER_CORE, LOAD_CORE = "0", "1"
OHA = VENVS / "tools" / "oha" / "bin" / "oha"
LUA = """
local bodies, n = {}, 0
function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = wrk.format("POST", os.getenv("TARGET"), nil, line) end
end
function request() n = n % #bodies + 1; return bodies[n] end
"""


class DidNotRun(Exception):
    """A server did not start, or did not answer; the others are measured all the same."""


@dataclass(frozen=True)
class Latency:
    """What a constant rate of requests saw: `rate` was sent a second, `p50` and on are milliseconds from when each was due."""

    requests: int
    rate: float
    answered: float
    p50: float
    p95: float
    p99: float

    def __str__(self) -> str:
        quantiles = f"p50 {self.p50:.2f} ms, p95 {self.p95:.2f} ms, p99 {self.p99:.2f} ms"
        return f"{self.requests:,} requests at {self.rate:,.0f}/s, {self.answered:.4%} answered, {quantiles}"


@dataclass
class Result:
    server: Server
    rates: list[float] = field(default_factory=list)
    connections: int = 0
    cpu: float = 0.0
    latency: Latency | None = None
    difference: float | None = None
    start: float = 0.0
    resident: float = 0.0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(server: Server, folder: Path, result: Result) -> Iterator[tuple[str, int]]:
    """The URL and process of a ready server on its core."""
    places = {
        "port": str(free_port()),
        "spare": str(free_port()),
        "spare2": str(free_port()),
        "folder": str(folder),
    }
    command = ["taskset", "-c", SERVER_CORE]
    for part in server.command:
        for name, value in places.items():
            part = part.replace("{" + name + "}", value)  # noqa: PLW2901 - other braces are the command's own
        command.append(part)
    log = folder / f"{re.sub('[^a-z]+', '-', server.name.lower())}.log"
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=server.folder, env=environment_of(server, folder, places), stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{places['port']}"
    try:
        wait_until_ready(url + server.ready, process, log)
        result.start = result.start or time.monotonic() - begun
        yield url, process.pid
    finally:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):  # it answers; it just has nothing there
                return
            time.sleep(0.02)
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise DidNotRun(f"{url} is not ready:\n{log.read_text(errors='replace')[-3000:]}")


def ask(url: str, body: str) -> Any:
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def maximum(server: Server, url: str, folder: Path, connections: int, seconds: int) -> float:
    """Requests per second of wrk over that many connections."""
    script = folder / "wrk.lua"
    script.write_text(LUA)
    environment = os.environ | {
        "BODIES": str(folder / f"{server.body}.bodies"),
        "TARGET": server.path,
    }
    command = [
        "taskset",
        "-c",
        LOAD_CORE,
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(script),
        url,
    ]
    said = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    if failed := re.search(r"Non-2xx or 3xx responses: \d+", said):
        raise DidNotRun(f"{server.name}: {failed[0]}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found[1])


def latency(server: Server, url: str, folder: Path, rate: float, seconds: int) -> Latency:
    """A constant rate of requests over 64 connections, as oha reports it."""
    command = [
        "taskset",
        "-c",
        LOAD_CORE,
        str(OHA),
        "--no-tui",
        "--output-format",
        "json",
        "--latency-correction",
    ]
    command += [
        "-q",
        str(max(1, round(rate))),
        "-z",
        f"{seconds}s",
        "-c",
        "64",
        "-t",
        "30s",
        "-m",
        "POST",
    ]
    command += [
        "-T",
        "application/json",
        "-Z",
        str(folder / f"{server.body}.bodies"),
        url + server.path,
    ]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    statuses, failed = said["statusCodeDistribution"], said["errorDistribution"]
    failed.pop("aborted due to deadline", None)  # on their way when the time was over
    count = sum(statuses.values()) + sum(failed.values())
    quantiles = (1000 * said["latencyPercentiles"][name] for name in ("p50", "p95", "p99"))
    return Latency(
        count, count / said["summary"]["total"], statuses.get("200", 0) / count, *quantiles
    )


def cpu_seconds(pid: int) -> float:
    """Processor time of the process and of all in its session, its children that ended included."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == pid:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def measure(
    result: Result, folder: Path, expected: list[float], options: argparse.Namespace, last: bool
) -> None:
    """One round: maximum, and in the last one latency and answers."""
    server = result.server
    with running(server, folder, result) as (url, pid):
        result.resident = result.resident or resident(pid)
        if last and server.probability is not None:
            bodies = (folder / f"{server.body}.bodies").read_text().splitlines()[:200]
            answered = [server.probability(ask(url + server.path, body)) for body in bodies]
            result.difference = max(abs(a - b) for a, b in zip(answered, expected, strict=False))
        maximum(server, url, folder, 16, 2)  # warm
        best = 0.0
        for connections in options.connections:
            before, begun = cpu_seconds(pid), time.monotonic()
            rate = maximum(server, url, folder, connections, options.seconds)
            if rate > best:
                best, result.connections = rate, connections
                result.cpu = (cpu_seconds(pid) - before) / (rate * (time.monotonic() - begun)) * 1e6
        result.rates.append(best)
        if last:
            result.latency = latency(server, url, folder, result.rate / 2, options.seconds * 2)


def versions(server: Server) -> str:
    code = "import importlib.metadata as m, sys; print(', '.join(p + ' ' + m.version(p) for p in sys.argv[1:]))"
    return subprocess.run(
        [server.python, "-c", code, *server.packages], capture_output=True, text=True, check=True
    ).stdout.strip()


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    ceiling = results[0]
    peer = max(
        (r.rate for r in results if not r.server.name.startswith(("raw", "ours"))),
        default=float("nan"),
    )
    return markdown(
        {
            "server": [r.server.name for r in results],
            "requests/s": [f"{r.rate:,.0f}" for r in results],
            "fraction of ceiling": [f"{r.rate / ceiling.rate:.0%}" for r in results],
            "times the best peer": [f"{r.rate / peer:,.1f}" for r in results],
            "CPU time per request": [f"{r.cpu:,.0f} us" for r in results],
            "at half of it": [str(r.latency) for r in results],
            "error of the probabilities": ["-" if r.difference is None else f"{r.difference:.1e}" for r in results],
        }
    )


def setup(results: list[Result]) -> str:
    """How each server ran."""
    return markdown(
        {
            "server": [r.server.name for r in results],
            "setting": [r.server.note for r in results],
            "versions": [versions(r.server) if r.server.packages else "the same" for r in results],
            "ready after": [f"{r.start:.1f} s" for r in results],
            "resident": [f"{r.resident:.0f} MiB" for r in results],
            "connections": [str(r.connections) for r in results],
        }
    )


def markdown(columns: dict[str, list[str]]) -> str:
    rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        help="words that the servers' names hold; the ceiling always runs",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    parser.add_argument("--connections", type=int, nargs="*", default=[16, 64])
    options = parser.parse_args()
    chosen = [
        s
        for s in SERVERS
        if s is SERVERS[0] or not options.only or any(word in s.name for word in options.only)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        expected = prepare(folder, Path(venv("mlflow", "python")))
        results = [Result(server) for server in chosen]
        for round_ in range(options.rounds):
            for result in list(results):
                try:
                    measure(result, folder, expected, options, round_ == options.rounds - 1)
                except DidNotRun as reason:
                    results.remove(result)
                    sys.stderr.write(f"{result.server.name} is left out: {reason}\n")
                    continue
                load, rate = Path("/proc/loadavg").read_text().split()[0], result.rates[-1]
                sys.stderr.write(
                    f"{result.server.name}: {rate:,.0f}/s, {result.cpu:.0f} us of processor, load {load}\n"
                )
    sys.stdout.write(
        f"{ROWS:,} rows, a forest of {TREES} trees, one core a server.\n\n{table(results)}\n\n{setup(results)}\n"
    )


if __name__ == "__main__":
    assert Path.cwd() == ROOT, f"run it from {ROOT}"
    main()
