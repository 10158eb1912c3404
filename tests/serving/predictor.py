"""A predictor process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pipeline.commands.local_servers import find_free_port
from pipeline.model.bundle import Bundle, write_fallback
from pipeline.settings import LakeSettings
from pipeline.storage.lake import open_lake

Value = TypeVar("Value")

ROOT = Path(__file__).parents[2]
START_SECONDS = 150
NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


@contextlib.contextmanager
def running(
    folder: Path, bundle: Bundle | None, code: Path = ROOT, **settings: str
) -> Iterator[str]:
    """The URL of a ready predictor that serves `bundle` from the lake in `folder` (None: what is in it), the registry being
    away; `code` holds the package, and keywords are fields of the section `predictor`."""
    if bundle is not None:
        write_fallback(open_lake(LakeSettings(url=f"file://{folder}/lake")), bundle)
    with started(folder, NO_ENVIRONMENT, code, **settings) as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        yield predictor.url


class Predictor:
    """A process, wherever it is on its way to being ready."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.log = log

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def started(
    folder: Path,
    environment: Mapping[str, str] = NO_ENVIRONMENT,
    code: Path = ROOT,
    **settings: str,
) -> Iterator[Predictor]:
    """A predictor on the lake in `folder`, the registry being away unless `environment` says where it is."""
    port = find_free_port()
    variables = {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_MLFLOW__TRACKING_URI": f"http://127.0.0.1:{find_free_port()}",
        "MLOPS_PREDICTOR__PORT": str(port),
        "MLOPS_PREDICTOR__DRAIN_PERIOD_SECONDS": "0",
        **{f"MLOPS_PREDICTOR__{name.upper()}": value for name, value in settings.items()},
        **environment,
    }
    log = folder / "predictor.log"
    with log.open("ab") as output:
        command = [sys.executable, "-m", "serving"]
        process = subprocess.Popen(
            command, cwd=code, stdout=output, stderr=subprocess.STDOUT, env=os.environ | variables
        )
    try:
        yield Predictor(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when `url` answers 200; fails with the process's output when it ends or takes too long."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} is not ready:\n{log.read_text(errors='replace')[-3000:]}")


def wait_for(what: Callable[[], Value | None], seconds: float = 30) -> Value:
    """What `what` returns as soon as it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} never came true")
