"""Programs and waits, each failure a sentence."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline.console import echo

ROOT = Path(__file__).parents[1]


class ClusterError(Exception):
    """What the cluster, or a program on the way to it, did not do; str() is for people."""


def run(
    *command: str | Path,
    check: bool = True,
    cwd: Path = ROOT,
    timeout: float = 120,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a program quietly.

    Raises:
        ClusterError: it is missing, did not end in time or, with `check`, failed; with what it said.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            timeout=timeout,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise ClusterError(
            f"{words[0]} is missing; `make tools` installs it or says where to get it"
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"`{' '.join(words[:6])} ...` did not end within {timeout:.0f} s"
        ) from None
    if check and done.returncode != 0:
        raise ClusterError(
            f"`{' '.join(words[:6])} ...` failed:\n{tail(done.stderr or done.stdout)}"
        )
    return done


def output(*command: str | Path, timeout: float = 120) -> str:
    """What a program prints."""
    return run(*command, timeout=timeout).stdout.strip()


def tail(text: str, lines: int = 15) -> str:
    """The last lines, indented."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])


class Progress:
    """Says what is being waited for, each change once, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = ""

    def say(self, text: str) -> None:
        if text != self._last:
            self._last = text
            echo(f"{time.monotonic() - self._start:5.0f} s  {text}")

    def wait(
        self, what: str, probe: Callable[[], str | None], seconds: float, pause: float = 2
    ) -> None:
        """Asks `probe` until it answers None; what it answers meanwhile is what is still missing.

        Raises:
            ClusterError: it still answers something after `seconds`.
        """
        end = time.monotonic() + seconds
        while missing := probe():
            self.say(f"waiting for {what}: {missing}")
            if time.monotonic() > end:
                raise ClusterError(f"{what}: still {missing} after {seconds:.0f} s")
            time.sleep(pause)


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Waits until no other process of this checkout is at it, too."""
    path = ROOT / "local" / f"{what}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo(f"another `make {what}` is running in this folder; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lines_of(text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if line]
