"""The program that logs what MinIO refuses, run as MinIO's pod runs it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.commands.local_servers import find_free_port
from tests.support.helm import CHART
from tests.support.servers import run_server

PROGRAM = CHART / "files" / "minio" / "audit_log.py"


@contextlib.contextmanager
def run_audit_log(folder: Path) -> Iterator[str]:
    """Run the program, and yield the URL that MinIO sends its events to.

    Args:
        folder: Folder in which the file `log` has the output.
    """
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    with run_server([sys.executable, str(PROGRAM), str(port)], url, folder, {}, timeout_seconds=60):
        yield url


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the lines that the program has written."""
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]
