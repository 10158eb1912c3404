"""A data lake on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import LakeError
from pipeline.storage.streams import CHUNK_BYTES, FREE_SPACE, NewFile, ScratchFile
from pipeline.storage.versions import StoredVersion

TEMPORARY_PREFIX = ".writing-"
MAX_TEMPORARY_SECONDS = 24 * 3600
"""Older temporary files are those of killed processes."""
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk, and of a user's or folder's quota."""


class DiskStore:
    """A folder per layer.

    Data is written to a temporary file in the same folder, which is then renamed: an object
    appears, or is replaced, in one step. Only its owner can read it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def url(self, key: str) -> str:
        return str(self._root / key)

    def read(self, key: str) -> bytes | None:
        with self._raise_lake_errors(key, "read"):
            try:
                return (self._root / key).read_bytes()
            except FileNotFoundError:
                return None

    def read_range(self, key: str, start: int, size: int) -> bytes | None:
        with self._raise_lake_errors(key, "read"):
            try:
                with (self._root / key).open("rb") as file:
                    file.seek(start)
                    return file.read(size)
            except FileNotFoundError:
                return None

    def chunks(self, key: str) -> Generator[bytes, None, None] | None:
        with self._raise_lake_errors(key, "read"):
            try:
                file = (self._root / key).open("rb")
            except FileNotFoundError:
                return None
        return self._read_chunks(key, file)

    def size(self, key: str) -> int | None:
        with self._raise_lake_errors(key, "read"):
            try:
                return (self._root / key).stat().st_size
            except FileNotFoundError:
                return None

    def write(self, key: str, data: bytes) -> None:
        with self._raise_lake_errors(key, "written"), self._temporary_file(key, data) as temporary:
            temporary.replace(self._root / key)

    def create(self, key: str, data: bytes) -> bool:
        with self._raise_lake_errors(key, "written"), self._temporary_file(key, data) as temporary:
            return self._link(temporary, key)

    @contextlib.contextmanager
    def scratch_file(self, layer: str) -> Iterator[ScratchFile]:
        folder = self._root / layer
        with self._raise_lake_errors(layer, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
        with file, ScratchFile(file, f"a temporary file in {folder}") as scratch:
            yield scratch

    @contextlib.contextmanager
    def new_file(self, layer: str) -> Iterator[NewFile]:
        folder = self._root / layer
        with self._raise_lake_errors(layer, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder.glob(f"{TEMPORARY_PREFIX}*")
            _delete_files(temporary, time.time() - MAX_TEMPORARY_SECONDS)
            path = _make_temporary(folder)
        try:
            with NewFile(path) as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def write_file(self, key: str, path: Path) -> None:
        with self._raise_lake_errors(key, "written"):
            (self._root / key).parent.mkdir(parents=True, exist_ok=True)
            path.replace(self._root / key)

    def create_file(self, key: str, path: Path) -> bool:
        with self._raise_lake_errors(key, "written"):
            (self._root / key).parent.mkdir(parents=True, exist_ok=True)
            return self._link(path, key)

    def delete(self, key: str) -> None:
        with self._raise_lake_errors(key, "deleted"):
            (self._root / key).unlink(missing_ok=True)

    def versions(self, key: str) -> list[str]:
        with self._raise_lake_errors(key, "read"):
            try:
                status = (self._root / key).stat()
            except FileNotFoundError:
                return []
        return [_get_version(status)]

    def erase(self, key: str, version: str) -> None:
        if version in self.versions(key):
            self.delete(key)

    def keys(self, prefix: str, before: str | None) -> Iterator[str]:
        layer = self._root / prefix.partition("/")[0]
        for path in layer.rglob("*"):
            key = path.relative_to(self._root).as_posix()
            is_object = path.is_file() and not path.name.startswith(TEMPORARY_PREFIX)
            if is_object and key.startswith(prefix) and (before is None or key < before):
                yield key

    def all_versions(self, prefix: str) -> Iterator[StoredVersion]:
        for key in self.keys(prefix, None):
            with self._raise_lake_errors(key, "read"):
                try:
                    status = (self._root / key).stat()
                except FileNotFoundError:
                    continue  # deleted after it was listed
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            yield StoredVersion(key, _get_version(status), status.st_size, modified)

    def read_version(self, key: str, version: str) -> bytes | None:
        return self.read(key) if version in self.versions(key) else None

    def delete_leftovers(self, before: float) -> int:
        return _delete_files(self._root.rglob(f"{TEMPORARY_PREFIX}*"), before)

    @contextlib.contextmanager
    def _temporary_file(self, key: str, data: bytes) -> Iterator[Path]:
        """Write and sync the data to a file in the object's folder; delete it at the end."""
        folder = (self._root / key).parent
        folder.mkdir(parents=True, exist_ok=True)
        path = _make_temporary(folder)
        try:
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _link(self, path: Path, key: str) -> bool:
        """Make a file an object unless there is one; return whether it was made."""
        try:
            os.link(path, self._root / key)
        except FileExistsError:
            return False
        return True

    def _read_chunks(self, key: str, file: BinaryIO) -> Generator[bytes, None, None]:
        with file, self._raise_lake_errors(key, "read"):
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    @contextlib.contextmanager
    def _raise_lake_errors(self, key: str, verb: str) -> Iterator[None]:
        """Raise the operating system's errors as LakeError."""
        try:
            yield
        except OSError as error:
            advice = "Check the folder's permissions, or set MLOPS_LAKE__URL to another one"
            if error.errno in FULL_ERRORS:
                advice = FREE_SPACE
            raise LakeError(
                f"{self.url(key)} cannot be {verb}: {error.strerror}. {advice}"
            ) from error


def _get_version(status: os.stat_result) -> str:
    """An id that changes when the file is replaced."""
    return f"{status.st_ino}-{status.st_mtime_ns}"


def _delete_files(paths: Iterable[Path], before: float) -> int:
    """Delete the files that were last written before a time; return their number."""
    count = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # another run has completed it
            if path.stat().st_mtime < before:
                path.unlink()
                count += 1
    return count


def _make_temporary(folder: Path) -> Path:
    """Create an empty file that only its owner can read."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY_PREFIX)
    os.close(descriptor)
    return Path(name)
