"""A data lake on disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LakeError

TEMPORARY_PREFIX = ".writing-"


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

    def write(self, key: str, data: bytes) -> None:
        with self._raise_lake_errors(key, "written"), self._temporary_file(key, data) as temporary:
            temporary.replace(self._root / key)

    def create(self, key: str, data: bytes) -> bool:
        with self._raise_lake_errors(key, "written"), self._temporary_file(key, data) as temporary:
            try:
                os.link(temporary, self._root / key)
            except FileExistsError:
                return False
        return True

    def delete(self, key: str) -> None:
        with self._raise_lake_errors(key, "deleted"):
            (self._root / key).unlink(missing_ok=True)

    def versions(self, key: str) -> list[str]:
        with self._raise_lake_errors(key, "read"):
            try:
                status = (self._root / key).stat()
            except FileNotFoundError:
                return []
        return [f"{status.st_ino}-{status.st_mtime_ns}"]

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

    @contextlib.contextmanager
    def _temporary_file(self, key: str, data: bytes) -> Iterator[Path]:
        """Write and sync the data to a file in the object's folder; delete it at the end."""
        folder = (self._root / key).parent
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY_PREFIX)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _raise_lake_errors(self, key: str, verb: str) -> Iterator[None]:
        """Raise the operating system's errors as LakeError."""
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"{self.url(key)} cannot be {verb}: {error.strerror}. Check the folder's "
                "permissions, or set MLOPS_LAKE__URL to another one"
            ) from error
