"""Objects of the lake as streams: files that are larger than the memory pass through in chunks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import LakeError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

CHUNK_BYTES = 1 << 20
"""How much of an object is read at a time."""
FREE_SPACE = "Free space on its disk, and run the stage again"
"""What to do about a full disk."""


class ChunkReader(io.RawIOBase):
    """A readable stream of chunks."""

    def __init__(self, chunks: Generator[bytes, None, None]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        self._chunks.close()
        super().close()


class ScratchFile(io.RawIOBase):
    """A file for bytes that are not to be stored. It hashes what is written.

    Attributes:
        size: Number of bytes that were written.
    """

    def __init__(self, file: BinaryIO, location: str) -> None:
        """Begin with an empty file.

        Args:
            file: The file, open for writing and reading.
            location: Where it is, for errors.
        """
        self.size = 0
        self._location = location
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written, as hexadecimal digits."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Append bytes.

        Raises:
            LakeError: If the disk is full or fails.
        """
        with self._raise_lake_errors():
            size = self._file.write(data)
        self._hash.update(data)
        self.size += size
        return size

    def tell(self) -> int:
        return self.size

    def truncate(self, size: int | None = 0) -> int:
        """Remove what was written; only `size` 0 is supported, because the hash begins again.

        Raises:
            LakeError: If the disk fails.
        """
        assert size == 0
        with self._raise_lake_errors():
            self._file.seek(0)
            self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.size = 0
        return 0

    def read_again(self) -> BinaryIO:
        """Return a stream of what was written. Nothing can be written any more.

        Raises:
            LakeError: If the disk is full or fails.
        """
        with self._raise_lake_errors():
            self._file.flush()
            self._file.seek(0)
            return os.fdopen(os.dup(self._file.fileno()), "rb")

    def close(self) -> None:
        with contextlib.suppress(OSError):  # `finish` has raised it, or the file is not needed
            self._file.close()
        super().close()

    @contextlib.contextmanager
    def _raise_lake_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"{self._location} cannot be written after {self.size:,} bytes: "
                f"{error.strerror}. {FREE_SPACE}"
            ) from error


class NewFile(ScratchFile):
    """A temporary file that the lake stores once it is complete.

    Attributes:
        path: Where the file is.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("w+b"), str(path))
        self.path = path

    def finish(self) -> None:
        """Write everything to the disk.

        Raises:
            LakeError: If the disk is full or fails.
        """
        with self._raise_lake_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
