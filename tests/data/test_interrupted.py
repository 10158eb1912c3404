"""Ctrl-C in the middle of a stage: a sentence, nothing half, and a later run that is not harmed."""

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
from pipeline.settings import LakeSettings
from pipeline.stages import EXIT_INTERRUPTED
from pipeline.storage.lake import open_lake

GOOD = generate_csv(50, seed=1)


def test_ctrl_c_while_the_source_is_read(tmp_path: Path) -> None:
    """Interrupted in the middle of a download, ingest leaves no object; run again, it takes the whole file."""
    asked, go_on = threading.Event(), threading.Event()

    class HalfThenWait(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(GOOD)))
            self.end_headers()
            self.wfile.write(GOOD[:100])
            self.wfile.flush()
            asked.set()
            go_on.wait(60)
            self.wfile.write(GOOD[100:])

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the interrupted client is gone

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the tests' screen."""

    lake = LakeSettings(url=f"file://{tmp_path}/lake")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), HalfThenWait) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "pipeline", "ingest", "--run-id", "run-1"]
        source = f"http://127.0.0.1:{server.server_port}/students.csv"
        environment = os.environ | {"MLOPS_LAKE__URL": lake.url, "MLOPS_INGEST__SOURCE": source}
        # Whoever starts the tests in the background hands on that SIGINT is to be ignored; at a terminal it is not.
        heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        options: Any = {"env": environment, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **options, preexec_fn=heed) as stage:  # noqa: PLW1509 - it takes no lock
            assert asked.wait(60)
            stage.send_signal(signal.SIGINT)
            _, said = stage.communicate(timeout=60)
        assert stage.returncode == EXIT_INTERRUPTED
        assert said.strip() == "interrupted: ingest wrote nothing half; run it again"
        assert open_lake(lake).keys("bronze/") == []

        go_on.set()
        assert subprocess.run(command, env=environment, check=False).returncode == 0
        assert open_lake(lake).read_json("bronze/latest.json")["rows"] == 50
        server.shutdown()
