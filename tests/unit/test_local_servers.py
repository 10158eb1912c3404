"""Local servers: child processes that are awaited, stopped and reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import local_servers
from pipeline.commands.local_servers import check_port_is_free, find_free_port, start_server
from pipeline.errors import PipelineError

ROOT = Path(__file__).parents[2]

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        Handler.requests += 1
        self.send_response(200 if Handler.requests > 2 else 503)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
"""Is ready at the third request."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, below which the logs are written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(program: str, port: int) -> list[str]:
    return [sys.executable, "-c", program, str(port)]


def test_a_server_is_awaited_and_stopped(folder: Path) -> None:
    """The wait ends when the health path returns 200; the process ends with the block."""
    port = find_free_port()
    with start_server("small", command(SERVER, port), port, "/ready", os.environ) as server:
        server.wait_until_ready()
        assert server.url == f"http://127.0.0.1:{port}"
        assert server.process.poll() is None
    assert server.process.poll() is not None
    log = (folder / "local" / "logs" / "small.log").read_text()
    assert log.count("GET /ready") == 3


def test_a_server_that_exits_is_reported_with_its_log() -> None:
    """The error has the exit code and the last lines of the output."""
    program = "import sys; print('no such database'); sys.exit(4)"
    with start_server("broken", command(program, 1), 1, "/", os.environ) as server:
        message = r"broken exited with code 4.*broken\.log:\nno such database"
        with pytest.raises(PipelineError, match=message):
            server.wait_until_ready()


def test_a_server_that_is_never_ready_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is bounded."""
    monkeypatch.setattr(local_servers, "START_TIMEOUT_SECONDS", 0)
    port = find_free_port()
    program = "import signal; signal.pause()"
    with (
        start_server("idle", command(program, port), port, "/", os.environ) as server,
        pytest.raises(PipelineError, match=rf"idle at .*:{port} was not ready within 0 s"),
    ):
        server.wait_until_ready()


SERVE = f"""
import os, sys
from pipeline.__main__ import main
from pipeline.commands import local_servers

def start_small(settings, port, *_):
    command = [sys.executable, "-c", {SERVER!r}, str(port)]
    return local_servers.start_server(f"small-{{port}}", command, port, "/", os.environ)

local_servers.mlflow_server = local_servers.predictor = start_small
sys.exit(main(["serve"]))
"""
"""The command `serve` with small servers in place of MLflow and the predictor."""


def test_sigterm_stops_serve_in_the_background(folder: Path) -> None:
    """A shell without job control starts background jobs with SIGINT ignored; SIGTERM stops them.

    No server outlives the command.
    """
    (folder / "local").mkdir()
    (folder / "local" / "mlflow.db").touch()
    ports = [find_free_port(), find_free_port()]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MLOPS_MLFLOW__PORT": str(ports[0]),
        "MLOPS_PREDICTOR__PORT": str(ports[1]),
    }
    with subprocess.Popen(
        ["sh", "-c", '"$@" & echo $!; wait $!', "sh", sys.executable, "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stderr is not None
        pid = int(shell.stdout.readline())
        for line in shell.stderr:
            if "Press Ctrl-C" in line:
                break
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        assert shell.wait(30) == 0
    for port in ports:
        check_port_is_free(port, "PORT")
