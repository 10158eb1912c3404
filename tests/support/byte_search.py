"""Search stored bytes for texts, also inside compressed files."""

from __future__ import annotations

import gzip
import io
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

CHUNK_BYTES = 1 << 20


def unpack(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield bytes as they are and, if they are a compressed file, as what it contains."""
    yield name, data
    if data.startswith(b"PAR1"):
        yield f"{name}, decoded", pd.read_parquet(io.BytesIO(data)).to_csv().encode()
    elif data.startswith(b"\x1f\x8b"):
        yield f"{name}, decoded", gzip.decompress(data)
    elif zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield f"{name}, {member}", archive.read(member)


def find_needles(
    stored: Iterable[tuple[str, bytes]], needles: Mapping[bytes, str]
) -> dict[str, set[str]]:
    """Return which of these bytes have needles: name -> descriptions of those that were found."""
    found: dict[str, set[str]] = {}
    for packed_name, packed in stored:
        for name, data in unpack(packed_name, packed):
            for needle, text in needles.items():
                if needle in data:
                    found.setdefault(name, set()).add(text)
    return found


def find_in_output(command: Sequence[str], needles: Mapping[bytes, str]) -> set[str]:
    """Return which needles a command prints, without holding all its output in memory.

    Raises:
        AssertionError: If the command fails.
    """
    overlap = max(map(len, needles)) - 1
    found: set[str] = set()
    window = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(CHUNK_BYTES):
            window = window[-overlap:] + chunk
            found |= {text for needle, text in needles.items() if needle in window}
    assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}"
    return found
