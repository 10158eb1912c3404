"""Run programs, wait for conditions and hold locks, with errors that say what to do."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.console import echo
from pipeline.polling import poll_until

ROOT = Path(__file__).parents[1]
POLL_INTERVAL_SECONDS = 2.0


class ClusterError(Exception):
    """The cluster or a program failed; str() is a message for the user."""


def run(
    *command: str | Path,
    check: bool = True,
    timeout_seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a program in the repository's root folder and capture its output.

    Args:
        command: The program and its arguments.
        check: Raise if the exit code is not 0.
        timeout_seconds: Time after which the program is killed.

    Returns:
        The completed process, with its output as text.

    Raises:
        ClusterError: If the program is missing, timed out or, with `check`, failed. The message
            has the end of its output.
    """
    words = [str(word) for word in command]
    shown = " ".join(words[:6])
    try:
        completed = subprocess.run(
            words, cwd=ROOT, timeout=timeout_seconds, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ClusterError(
            f"{words[0]} is not installed. `make tools` installs it or prints where to get it."
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`{shown} ...` did not exit within {timeout_seconds:g} s") from None
    if check and completed.returncode != 0:
        raise ClusterError(
            f"`{shown} ...` failed:\n{indent_tail(completed.stderr or completed.stdout)}"
        )
    return completed


def read_output(*command: str | Path) -> str:
    """Run a program and return what it prints, without surrounding white space."""
    return run(*command).stdout.strip()


def indent_tail(text: str, lines: int = 15) -> str:
    """Return the last lines of a text, indented."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])


class Progress:
    """Report what is being waited for: each change once, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = ""

    def report(self, text: str) -> None:
        """Print the text, unless it is the one that was printed last."""
        if text != self._last:
            self._last = text
            echo(f"{time.monotonic() - self._start:5.0f} s  {text}")

    def wait_for(
        self,
        what: str,
        get_missing: Callable[[], str | None],
        *,
        timeout_seconds: float,
        interval_seconds: float = POLL_INTERVAL_SECONDS,
    ) -> None:
        """Wait until nothing is missing, and report what is.

        Args:
            what: The thing that is waited for.
            get_missing: Returns what is still missing, or None if nothing is.
            timeout_seconds: Time after which the wait fails.
            interval_seconds: Pause between two calls of `get_missing`.

        Raises:
            ClusterError: If something is still missing at the deadline.
        """

        def is_there() -> bool | None:
            missing = get_missing()
            if missing is None:
                return True
            self.report(f"waiting for {what}: {missing}")
            return None

        found = poll_until(
            is_there, timeout_seconds=timeout_seconds, interval_seconds=interval_seconds
        )
        if found is None:
            raise ClusterError(f"timed out after {timeout_seconds:g} s {self._last}")


@contextlib.contextmanager
def exclusive_lock(name: str) -> Iterator[None]:
    """Hold a lock so that one `make NAME` at a time runs in this folder."""
    path = ROOT / "local" / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo(f"waiting for another `make {name}` in this folder to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
