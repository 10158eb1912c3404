"""A predictor process of its own, which serves a bundle from the `models/` of a lake on a disk."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipeline.bundle import (
    Bundle,
    write_fallback,
)
from pipeline.lake import open_lake
from pipeline.settings import LakeSettings

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


@contextlib.contextmanager
def running(folder: Path, bundle: Bundle | None, code: Path = ROOT, **settings: str) -> Iterator[str]:
    """The URL of a ready predictor that serves `bundle` from the lake in `folder` (None: what is in it), the registry being
    away; `code` holds the package, and keywords are fields of the section `predictor`."""
    if bundle is not None:
        write_fallback(open_lake(LakeSettings(url=f"file://{folder}/lake")), bundle)
    port = free_port()
    environment = os.environ | {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_MLFLOW__TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLOPS_PREDICTOR__PORT": str(port),
        "MLOPS_PREDICTOR__DRAIN_SECONDS": "0",
        **{f"MLOPS_PREDICTOR__{name.upper()}": value for name, value in settings.items()},
    }
    log = folder / "predictor.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "serving"]
        process = subprocess.Popen(command, cwd=code, stdout=output, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the predictor is not ready:\n{log.read_text(errors='replace')[-3000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
