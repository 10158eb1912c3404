"""Ctrl-C during a stage prints one line, leaves no partial output, and the stage can run again."""

from __future__ import annotations

import functools
import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from pipeline.data.synthetic import generate_csv
from pipeline.settings.connections import LakeSettings
from pipeline.stages import EXIT_INTERRUPTED
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import open_lake

GOOD = generate_csv(50, seed=1)


class PausingHandler(http.server.BaseHTTPRequestHandler):
    """Sends the start of a file, and the rest when `resume` is set."""

    paused, resume = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        self.wfile.write(GOOD[:100])
        self.wfile.flush()
        self.paused.set()
        self.resume.wait(60)
        self.wfile.write(GOOD[100:])

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the interrupted client has closed the connection

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def test_ctrl_c_during_a_download(tmp_path: Path) -> None:
    """An interrupted `ingest` leaves no object; run again, it stores the whole file."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PausingHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "pipeline", "ingest", "--run-id", "run-1"]
        environment = os.environ | {
            "MLOPS_LAKE__URL": f"file://{tmp_path}/lake",
            "MLOPS_INGEST__SOURCE": f"http://127.0.0.1:{server.server_port}/students.csv",
        }
        # Processes in the background of a shell, such as these tests, ignore SIGINT, and so do
        # their children.
        accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        options: Any = {"env": environment, "stderr": subprocess.PIPE, "text": True}
        options["preexec_fn"] = accept_sigint
        with subprocess.Popen(command, **options) as process:
            assert PausingHandler.paused.wait(60)
            process.send_signal(signal.SIGINT)
            _, message = process.communicate(timeout=60)
        assert process.returncode == EXIT_INTERRUPTED
        assert message.strip() == (
            "interrupted: ingest left no partial output, so it can be run again"
        )
        assert lake.keys("bronze/") == []

        PausingHandler.resume.set()
        assert subprocess.run(command, env=environment, check=False).returncode == 0
        assert lake.read_model("bronze/latest.json", BronzePointer).rows == 50
        server.shutdown()
