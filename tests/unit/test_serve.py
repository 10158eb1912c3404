"""The command `serve`: what it prints and when, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.commands import local_servers, serve
from pipeline.context import Context
from pipeline.errors import PipelineError

MakeContext = Callable[..., Context]


class Servers:
    """Stands in for both servers, and records what happens in which order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, exit_code: int | None) -> None:
        """Replace the servers.

        Args:
            monkeypatch: Replaces them.
            exit_code: What the predictor exits with; None if it runs until SIGTERM.
        """
        self.events: list[str] = []
        self._exit_code = exit_code
        for name in ("mlflow_server", "predictor"):
            monkeypatch.setattr(local_servers, name, self._make(name))
        monkeypatch.setattr(serve, "echo", lambda text: self.events.append(text.split()[0]))

    def _make(self, name: str) -> Callable[..., contextlib.AbstractContextManager[Any]]:
        @contextlib.contextmanager
        def start(*_: Any) -> Iterator[Any]:
            process = SimpleNamespace(wait=self._wait, returncode=self._exit_code)
            try:
                yield SimpleNamespace(
                    url="http://x",
                    log="x.log",
                    process=process,
                    wait_until_ready=lambda: self.events.append(f"{name} ready"),
                )
            finally:
                self.events.append(f"{name} stopped")

        return start

    def _wait(self) -> None:
        if self._exit_code is None:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()


@pytest.fixture
def context(make_context: MakeContext, tmp_path: Path) -> Iterator[Context]:
    """A context with a registry, and the handler of SIGTERM as it was afterwards."""
    (tmp_path / "mlflow.db").touch()
    handler = signal.getsignal(signal.SIGTERM)
    yield make_context(mlflow={"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"})
    signal.signal(signal.SIGTERM, handler)


def test_each_url_is_printed_when_its_server_is_ready(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predictor is ready first. SIGTERM and Ctrl-C are the normal end: no error."""
    servers = Servers(monkeypatch, None)
    serve.run(context)
    assert servers.events == [
        "predictor ready",
        "predictor",
        "mlflow_server ready",
        "MLflow",
        "Press",
        "predictor stopped",
        "mlflow_server stopped",
        "serve:",
    ]


def test_a_predictor_that_exits_is_an_error(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the exit code and the log, and MLflow is stopped."""
    servers = Servers(monkeypatch, 3)
    with pytest.raises(PipelineError, match=r"exited with code 3\. See x\.log"):
        serve.run(context)
    assert servers.events[-1] == "mlflow_server stopped"
