"""Servers that tests run as processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from pipeline.polling import poll_until


@contextlib.contextmanager
def run_server(
    command: Sequence[str],
    health_url: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    timeout_seconds: float,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server; yields its process when the server is ready.

    Args:
        command: The command line.
        health_url: URL that returns 200 once the server is ready.
        folder: Working directory, in which the file `log` has the output.
        environment: Variables to add to the environment.
        timeout_seconds: How long to wait until the server is ready.

    Raises:
        AssertionError: If it ends or is not ready in time; with the end of its log.
    """
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
        )

    def probe() -> bool | None:
        try:
            response = httpx.get(health_url, timeout=2)
        except httpx.TransportError:
            return None if process.poll() is None else False
        return True if response.status_code == httpx.codes.OK else None

    try:
        is_ready = poll_until(probe, timeout_seconds=timeout_seconds, interval_seconds=0.1)
        assert is_ready, f"{health_url}: not ready:\n{log.read_text(errors='replace')[-3000:]}"
        yield process
    finally:
        process.terminate()
        process.wait(30)
