"""The data lake: objects by key, on disk (disk.py) or on S3 (s3.py).

layout.py has the keys. Writes are atomic: a reader sees either the old object or the new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import LakeError
from pipeline.settings.connections import LakeSettings
from pipeline.storage.disk import DiskStore
from pipeline.storage.s3 import S3Store

ModelT = TypeVar("ModelT", bound=BaseModel)


class Store(Protocol):
    """Where a lake stores its bytes. A key is `LAYER/REST`.

    `read` returns None if there is no such object, and `create` returns False if there is one.
    """

    def read(self, key: str) -> bytes | None: ...
    def write(self, key: str, data: bytes) -> None: ...
    def create(self, key: str, data: bytes) -> bool: ...
    def delete(self, key: str) -> None: ...
    def versions(self, key: str) -> list[str]: ...
    def erase(self, key: str, version: str) -> None: ...
    def keys(self, prefix: str, before: str | None) -> Iterator[str]: ...
    def url(self, key: str) -> str: ...


class Lake:
    """Objects by key.

    Every method raises LakeError if the disk or the S3 service fails.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

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
        data = self._store.read(key)
        if data is None:
            raise LakeError(f"{self.url(key)} does not exist; run the stage that writes it first")
        if sha256 is not None and sha256_hex(data) != sha256:
            raise LakeError(
                f"{self.url(key)} has the hash {sha256_hex(data)}, but {sha256} was recorded: it "
                "was modified outside the pipeline. Run the stage that writes it again"
            )
        return data

    def write(self, key: str, data: bytes) -> str:
        """Write or replace an object; return the SHA-256 of its bytes."""
        self._store.write(key, data)
        return sha256_hex(data)

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one with that key; return whether it was written."""
        return self._store.create(key, data)

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
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise LakeError(
                f"{self.url(key)} is not a valid {kind.__name__}: {field}: {first['msg']}. Run the "
                "stage that writes it again"
            ) from None

    def write_model(self, key: str, model: BaseModel) -> str:
        """Write a model as JSON, equal models as equal bytes; return their SHA-256."""
        return self.write(key, to_json_bytes(model.model_dump()))


def open_lake(settings: LakeSettings) -> Lake:
    """Open the lake at `settings.url`.

    Raises:
        LakeError: If the URL is neither `file://` nor `s3://`.
    """
    if settings.folder is not None:
        return Lake(DiskStore(settings.folder))
    if settings.is_s3:
        return Lake(S3Store.from_settings(settings))
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
