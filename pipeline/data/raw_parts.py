"""Divide a raw file into parts of whole rows."""

from __future__ import annotations

import hashlib
import re

from pipeline.data.blocks import RawFile, choose_block_bytes
from pipeline.storage.artifacts.data import BronzeManifest, BronzePart
from pipeline.storage.lake import Lake
from pipeline.storage.layout import bronze_file, bronze_manifest

_EMPTY_LINE = re.compile(rb"^\r?\n", re.MULTILINE)


class PartRecorder:
    """Notes where the parts of a raw file begin, while its rows pass in blocks."""

    def __init__(self, header: str, start: int, part_bytes: int) -> None:
        """Begin before the first row.

        Args:
            header: Text of the header.
            start: Number of bytes before the first row.
            part_bytes: Size at which a part ends, with the block that reaches it.
        """
        self._header, self._part_bytes = header, part_bytes
        self._parts: list[BronzePart] = []
        self._start, self._line = start, header.count("\n")
        self._begin()

    def add(self, data: bytes) -> None:
        """Add the next whole rows."""
        self._hash.update(data)
        self._bytes += len(data)
        breaks = data.count(b"\n")
        self._breaks += breaks
        self._rows += breaks + (not data.endswith(b"\n")) - _count_empty_lines(data)
        if self._bytes >= self._part_bytes:
            self._end()

    def finish(self) -> BronzeManifest:
        """Return the parts."""
        if self._bytes:
            self._end()
        return BronzeManifest(header=self._header, parts=self._parts)

    def _begin(self) -> None:
        self._hash = hashlib.sha256()
        self._bytes = self._breaks = self._rows = 0

    def _end(self) -> None:
        self._parts.append(
            BronzePart(
                start=self._start,
                bytes=self._bytes,
                sha256=self._hash.hexdigest(),
                line=self._line,
                rows=self._rows,
            )
        )
        self._start += self._bytes
        self._line += self._breaks
        self._begin()


def _count_empty_lines(data: bytes) -> int:
    """Count empty lines, with the slow expression only if there are any."""
    starts_empty = data.startswith((b"\n", b"\r\n"))
    if starts_empty or b"\n\n" in data or (b"\r" in data and b"\n\r\n" in data):
        return len(_EMPTY_LINE.findall(data))
    return 0


def record_parts(raw: RawFile, part_bytes: int) -> BronzeManifest:
    """Read a raw file, and return its parts.

    Args:
        raw: The file, of which no block has been read.
        part_bytes: Size at which a part ends.

    Raises:
        DataError: If a block cannot be read.
    """
    recorder = PartRecorder(raw.header, raw.start, part_bytes)
    for block in raw.read_blocks():
        recorder.add(block.data)
    return recorder.finish()


def read_manifest(lake: Lake, sha256: str, part_bytes: int) -> BronzeManifest:
    """Return the parts of a raw file in bronze.

    Args:
        lake: The lake.
        sha256: Hash of the file.
        part_bytes: Size at which a part ends, if an earlier release stored the file without a
            list of parts.

    Raises:
        DataError: If the file has a wrong header.
        LakeError: If the file is missing, or was modified.
    """
    key = bronze_manifest(sha256)
    if lake.exists(key):
        return lake.read_model(key, BronzeManifest)
    raw_key, block_bytes = bronze_file(sha256), choose_block_bytes(part_bytes)
    with lake.open(raw_key, sha256) as file:
        return record_parts(RawFile(file, lake.url(raw_key), block_bytes), part_bytes)
