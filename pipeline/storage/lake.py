"""The data lake: objects by key, on disk (disk.py) or on S3 (s3.py).

layout.py has the keys. Writes are atomic: a reader sees either the old object or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import LakeError, describe_first
from pipeline.settings.connections import LakeSettings
from pipeline.storage.disk import DiskStore
from pipeline.storage.s3 import S3Store
from pipeline.storage.streams import ChunkReader, NewFile, ScratchFile
from pipeline.storage.versions import StoredVersion, sort_newest_first

if TYPE_CHECKING:
    from pipeline.storage.tombstones import Sign

ModelT = TypeVar("ModelT", bound=BaseModel)


class Store(Protocol):
    """Where a lake stores its bytes. A key is `LAYER/REST`.

    `read`, `read_range`, `chunks` and `size` return None if there is no such object, and `create`
    and `create_file` return False if there is one.
    """

    def read(self, key: str) -> bytes | None: ...
    def read_range(self, key: str, start: int, size: int) -> bytes | None: ...
    def chunks(self, key: str) -> Generator[bytes, None, None] | None: ...
    def size(self, key: str) -> int | None: ...
    def write(self, key: str, data: bytes) -> None: ...
    def create(self, key: str, data: bytes) -> bool: ...
    def scratch_file(self, layer: str) -> AbstractContextManager[ScratchFile]: ...
    def new_file(self, layer: str) -> AbstractContextManager[NewFile]: ...
    def write_file(self, key: str, path: Path) -> None: ...
    def create_file(self, key: str, path: Path) -> bool: ...
    def delete(self, key: str) -> None: ...
    def versions(self, key: str) -> list[str]: ...
    def erase(self, key: str, version: str) -> None: ...
    def keys(self, prefix: str, before: str | None) -> Iterator[str]: ...
    def all_versions(self, prefix: str) -> Iterator[StoredVersion]: ...
    def delete_leftovers(self, before: float) -> int: ...
    def read_version(self, key: str, version: str) -> bytes | None: ...
    def url(self, key: str) -> str: ...


class Lake:
    """Objects by key.

    Every method raises LakeError if the disk or the S3 service fails.
    """

    def __init__(self, store: Store, find_signer: Callable[[], Sign | None] = lambda: None) -> None:
        """Use a store.

        Args:
            store: Where the bytes are stored.
            find_signer: Returns what makes the signatures of tombstones; None if this process has
                no secret. It is called when a hash differs from the recorded one.
        """
        self._store = store
        self._find_signer = find_signer

    def read(self, key: str, sha256: str | None = None) -> bytes:
        """Read an object.

        Args:
            key: Its key, from layout.py.
            sha256: The hash that the bytes must have; None accepts any bytes.

        Returns:
            The object's bytes.

        Raises:
            LakeError: If there is no such object, or its hash differs.
        """
        return self._check(key, self._store.read(key), sha256)

    def read_range(self, key: str, start: int, size: int, sha256: str | None = None) -> bytes:
        """Read a range of an object.

        Args:
            key: Its key, from layout.py.
            start: Offset of the first byte.
            size: Number of bytes, at least 1.
            sha256: The hash that the bytes must have; None accepts any bytes.

        Returns:
            The bytes; fewer than `size` if the object ends before.

        Raises:
            LakeError: If there is no such object, or the hash differs.
        """
        return self._check(key, self._store.read_range(key, start, size), sha256)

    def open(self, key: str, sha256: str | None = None) -> BinaryIO:
        """Open an object for reading, from its beginning to its end.

        Args:
            key: Its key, from layout.py.
            sha256: The hash that the bytes must have; None accepts any bytes. It is compared at the
                end, so read the whole object before anything that depends on it is stored.

        Returns:
            A stream of the object's bytes. Reading raises LakeError if the hash differs.

        Raises:
            LakeError: If there is no such object.
        """
        chunks = self._store.chunks(key)
        if chunks is None:
            raise self._missing(key)
        return io.BufferedReader(ChunkReader(self._hash_chunks(key, chunks, sha256)))

    def size(self, key: str) -> int:
        """Return the number of bytes of an object.

        Raises:
            LakeError: If there is no such object.
        """
        size = self._store.size(key)
        if size is None:
            raise self._missing(key)
        return size

    def write(self, key: str, data: bytes) -> str:
        """Write or replace an object; return the SHA-256 of its bytes."""
        self._store.write(key, data)
        return sha256_hex(data)

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one with that key; return whether it was written."""
        return self._store.create(key, data)

    def scratch_file(self, layer: str) -> AbstractContextManager[ScratchFile]:
        """Create a file without a name, for bytes that must not be stored, such as keys of persons.

        Nothing of it is left at the end of the `with` block, nor if the process is killed.

        Args:
            layer: One of layout.LAYERS. A lake on disk uses the disk of its folder.
        """
        return self._store.scratch_file(layer)

    def new_file(self, layer: str) -> AbstractContextManager[NewFile]:
        """Create a temporary file to be stored with `write_file` or `create_file`.

        The file is deleted at the end of the `with` block. A lake on disk has it in the folder of
        the layer, so storing it does not copy it.

        Args:
            layer: One of layout.LAYERS.
        """
        return self._store.new_file(layer)

    def write_file(self, key: str, file: NewFile) -> str:
        """Write or replace an object with a file's bytes; return their SHA-256."""
        file.finish()
        self._store.write_file(key, file.path)
        return file.sha256

    def create_file(self, key: str, file: NewFile) -> bool:
        """Write an object unless there is one with that key; return whether it was written."""
        file.finish()
        return self._store.create_file(key, file.path)

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        self._store.delete(key)

    def versions(self, key: str) -> list[str]:
        """Return the ids of an object's versions, newest first.

        On a service that keeps old versions, `delete` adds one that marks the object as deleted.
        """
        return self._store.versions(key)

    def erase(self, key: str, version: str) -> None:
        """Delete one version of an object for good; a missing one is no error."""
        self._store.erase(key, version)

    def exists(self, key: str) -> bool:
        """Return whether there is an object with that key."""
        return any(found == key for found in self._store.keys(key, None))

    def keys(self, prefix: str, before: str | None = None) -> list[str]:
        """Return the keys that begin with a prefix, sorted.

        Args:
            prefix: The prefix, which must name a layer.
            before: Where to stop: only keys that sort before it are listed.
        """
        return sorted(self._store.keys(prefix, before))

    def all_versions(self, prefix: str) -> list[StoredVersion]:
        """Return all versions of the objects whose keys begin with a prefix, sorted by key.

        Args:
            prefix: The prefix, which must name a layer.

        Returns:
            The versions; those of a key from the newest to the oldest.
        """
        found = sort_newest_first(self._store.all_versions(prefix))
        return sorted(found, key=lambda one: one.key)

    def read_version(self, key: str, version: str) -> bytes | None:
        """Read a version of an object; return None if it does not exist any more."""
        return self._store.read_version(key, version)

    def delete_leftovers(self, before: datetime) -> int:
        """Delete the temporary files of processes that were killed.

        Args:
            before: Only files that were written before this time (UTC) are deleted.

        Returns:
            The number of files; 0 for a lake on S3, which has none.
        """
        return self._store.delete_leftovers(before.timestamp())

    def url(self, key: str) -> str:
        """Return the object's location as people know it: a path or an `s3://` URL."""
        return self._store.url(key)

    def read_model(self, key: str, kind: type[ModelT]) -> ModelT:
        """Read a JSON object as a model of artifacts/.

        Args:
            key: Its key, from layout.py.
            kind: Type of the model.

        Returns:
            The document.

        Raises:
            LakeError: If there is no such object, or its fields differ from the model's.
        """
        try:
            return kind.model_validate_json(self.read(key))
        except ValidationError as error:
            problem = describe_first(error, "the document")
            raise LakeError(
                f"{self.url(key)} is not a valid {kind.__name__}: {problem}. Run the stage that "
                "writes it again"
            ) from None

    def write_model(self, key: str, model: BaseModel) -> str:
        """Write a model as JSON, equal models as equal bytes; return their SHA-256."""
        return self.write(key, to_json_bytes(model.model_dump()))

    def _check(self, key: str, data: bytes | None, recorded: str | None) -> bytes:
        """Return what was read of an object, if there is one and it has the recorded hash."""
        if data is None:
            raise self._missing(key)
        if recorded is not None:
            self._check_hash(key, sha256_hex(data), recorded)
        return data

    def _missing(self, key: str) -> LakeError:
        return LakeError(f"{self.url(key)} does not exist; run the stage that writes it first")

    def _hash_chunks(
        self, key: str, chunks: Generator[bytes, None, None], recorded: str | None
    ) -> Generator[bytes, None, None]:
        """Pass chunks on, and compare their hash with the recorded one after the last."""
        found = hashlib.sha256()
        with contextlib.closing(chunks):
            for chunk in chunks:
                if recorded is not None:
                    found.update(chunk)
                yield chunk
        if recorded is not None:
            self._check_hash(key, found.hexdigest(), recorded)

    def _check_hash(self, key: str, found: str, recorded: str) -> None:
        if found != recorded and not self._has_tombstone(key, recorded, found):
            raise LakeError(
                f"{self.url(key)} has the hash {found}, but {recorded} was recorded: it was "
                "modified outside the pipeline. Run the stage that writes it again"
            )

    def _has_tombstone(self, key: str, recorded: str, found: str) -> bool:
        """Whether the object had the recorded hash before rows of erased persons were removed."""
        from pipeline.storage.tombstones import find_erased_hashes  # which imports this module

        sign = self._find_signer()
        known, waiting = {recorded}, [recorded]
        while waiting:
            new = find_erased_hashes(self, key, waiting.pop(), sign) - known
            known |= new
            waiting += new
        return found in known


def open_lake(
    settings: LakeSettings, find_signer: Callable[[], Sign | None] = lambda: None
) -> Lake:
    """Open the lake at `settings.url`.

    Args:
        settings: Where the lake is.
        find_signer: See `Lake`.

    Raises:
        LakeError: If the URL is neither `file://` nor `s3://`.
    """
    if settings.folder is not None:
        return Lake(DiskStore(settings.folder), find_signer)
    if settings.is_s3:
        return Lake(S3Store.from_settings(settings), find_signer)
    raise LakeError(f"MLOPS_LAKE__URL is {settings.url!r}; it must begin with file:// or s3://")


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the bytes as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def to_json_bytes(value: Any) -> bytes:
    """Encode a value as indented JSON with sorted keys: equal values give equal bytes.

    Raises:
        ValueError: If the value contains NaN or infinity.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"
