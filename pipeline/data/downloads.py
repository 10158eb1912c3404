"""Continue a download after it was cut off, or begin it again, so that it is never half a file."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.console import echo
from pipeline.errors import SourceError
from pipeline.storage.streams import ScratchFile

MAX_BREAKS = 3
"""Breaks in a row without a further byte, after which a download fails."""
PAUSE_SECONDS = 1.0
"""Pause after a break."""


class Download:
    """A file that is being downloaded, up to a number of bytes."""

    def __init__(self, file: ScratchFile, source: str, max_bytes: int) -> None:
        """Begin with no bytes.

        Args:
            file: An empty file.
            source: The source, for errors.
            max_bytes: Largest number of bytes.
        """
        self._file, self._source, self._max_bytes = file, source, max_bytes

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return self._file.size

    def write(self, data: bytes) -> int:
        """Append bytes.

        Raises:
            SourceError: If there are too many.
        """
        if self._file.size + len(data) > self._max_bytes:
            raise SourceError(
                f"{self._source} has more than {self._max_bytes:,} bytes; "
                "MLOPS_INGEST__MAX_BYTES is the limit"
            )
        return self._file.write(data)

    def flush(self) -> None:
        """Flush nothing: the bytes count once the file is complete."""

    def restart(self) -> None:
        """Remove all bytes."""
        self._file.truncate(0)

    def run(self, copy_rest: Callable[[], None], *breaks: type[Exception]) -> None:
        """Copy the source, and try again after each break.

        Args:
            copy_rest: Appends the bytes that are missing, or calls `restart` and appends all.
            *breaks: Exceptions that a break raises.

        Raises:
            Exception: One of `breaks`, if it came before the first byte, or if there were too many
                without a further byte.
        """
        most = count = 0
        while True:
            try:
                copy_rest()
            except breaks:
                count = 1 if self.size > most else count + 1
                most = max(most, self.size)
                if not self.size or count >= MAX_BREAKS:
                    raise
                echo(f"{self._source} was cut off after {self.size:,} bytes; trying again")
                time.sleep(PAUSE_SECONDS)
            else:
                return
