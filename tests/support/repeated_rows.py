"""Raw files of any size that repeat the rows of a small one."""

from __future__ import annotations

from pathlib import Path


def repeat_rows(path: Path, text: bytes, times: int) -> None:
    """Write a raw file with each row several times.

    Args:
        path: Path of the file.
        text: A header and rows, which end with a line feed.
        times: How often the rows are written.
    """
    header, _, rows = text.partition(b"\n")
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(rows)
