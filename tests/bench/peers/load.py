"""Starts a server on one core, loads it from another, and reads its use of CPU and memory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.commands.local_servers import find_free_port
from pipeline.polling import poll_until
from tests.bench.peers.servers import VENVS, Server, make_environment

SERVER_CORE, LOAD_CORE = "0", "1"
START_TIMEOUT_SECONDS = 240
OHA = VENVS / "tools" / "oha" / "bin" / "oha"
LATENCY_CONNECTIONS = 64
LUA = """
local bodies, n = {}, 0
function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(os.getenv("BODIES")) do
    bodies[#bodies + 1] = wrk.format("POST", os.getenv("TARGET"), nil, line)
  end
end
function request() n = n % #bodies + 1; return bodies[n] end
"""


class ServerFailed(Exception):
    """A server did not start, or refused requests; the others are still measured."""


@dataclass(frozen=True)
class Latency:
    """Latency under a constant rate of requests.

    Attributes:
        requests: Number of requests.
        rate: Requests per second.
        answered: Fraction of requests answered with 200.
        p50: Median latency (ms), from the time at which a request was due.
        p95: 95th percentile (ms).
        p99: 99th percentile (ms).
    """

    requests: int
    rate: float
    answered: float
    p50: float
    p95: float
    p99: float

    def __str__(self) -> str:
        quantiles = f"p50 {self.p50:.2f} ms, p95 {self.p95:.2f} ms, p99 {self.p99:.2f} ms"
        return (
            f"{self.requests:,} requests at {self.rate:,.0f}/s, "
            f"{self.answered:.4%} answered, {quantiles}"
        )


@contextlib.contextmanager
def run_server(server: Server, folder: Path) -> Iterator[tuple[str, int]]:
    """Start a server on its core; yields its URL and process id.

    Raises:
        ServerFailed: If it is not ready in time.
    """
    ports = {name: str(find_free_port()) for name in ("port", "spare", "spare2")}
    places = ports | {"folder": str(folder)}
    command = ["taskset", "-c", SERVER_CORE]
    for part in server.command:
        for name, value in places.items():
            part = part.replace("{" + name + "}", value)  # noqa: PLW2901 - keeps other braces
        command.append(part)
    log = folder / f"{re.sub('[^a-z]+', '-', server.name.lower())}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=server.folder,
            env=make_environment(server, folder, places),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{places['port']}"
    try:
        _wait_until_ready(url + server.ready, process, log)
        yield url, process.pid
    finally:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def probe() -> bool | None:
        try:
            response = httpx.get(url, timeout=5, follow_redirects=True, trust_env=False)
        except httpx.TransportError:
            return None if process.poll() is None else False
        # It may have nothing at this path.
        return True if response.status_code in (200, 404, 405) else None

    if not poll_until(probe, timeout_seconds=START_TIMEOUT_SECONDS, interval_seconds=0.02):
        raise ServerFailed(f"{url} is not ready:\n{log.read_text(errors='replace')[-3000:]}")


def measure_throughput(
    server: Server, url: str, folder: Path, connections: int, seconds: int
) -> float:
    """Measure the requests per second that wrk reaches over keep-alive connections.

    Raises:
        ServerFailed: If a request is not answered with 2xx or 3xx.
    """
    script = folder / "wrk.lua"
    script.write_text(LUA)
    environment = os.environ | {
        "BODIES": str(folder / f"{server.body}.bodies"),
        "TARGET": server.path,
    }
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--timeout", "30s", "-s", str(script), url]
    output = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    if failed := re.search(r"Non-2xx or 3xx responses: \d+", output):
        raise ServerFailed(f"{server.name}: {failed[0]}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found, output
    return float(found[1])


def measure_latency(server: Server, url: str, folder: Path, rate: float, seconds: int) -> Latency:
    """Measure the latency under a constant rate of requests, with oha."""
    command = ["taskset", "-c", LOAD_CORE, str(OHA), "--no-tui", "--output-format", "json"]
    command += ["--latency-correction", "-q", str(max(1, round(rate))), "-z", f"{seconds}s"]
    command += ["-c", str(LATENCY_CONNECTIONS), "-t", "30s", "-m", "POST"]
    command += ["-T", "application/json", "-Z", str(folder / f"{server.body}.bodies")]
    command.append(url + server.path)
    report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    statuses, failed = report["statusCodeDistribution"], report["errorDistribution"]
    failed.pop("aborted due to deadline", None)  # requests running when the time was over
    count = sum(statuses.values()) + sum(failed.values())
    p50, p95, p99 = (1000 * report["latencyPercentiles"][name] for name in ("p50", "p95", "p99"))
    rate = count / report["summary"]["total"]
    return Latency(count, rate, statuses.get("200", 0) / count, p50, p95, p99)


def get_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of everything in its session, ended children included."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == pid:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def get_resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
