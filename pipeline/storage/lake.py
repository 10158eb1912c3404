"""The data lake: five layers on a disk (a folder each) or on S3 (a bucket each), behind one small class.

No other module knows where an object lies. Writes are atomic: a reader sees the whole old object or the whole new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import LakeError
from pipeline.settings import LakeSettings, path_from_file_url

if TYPE_CHECKING:
    from botocore.client import BaseClient

ModelT = TypeVar("ModelT", bound=BaseModel)


class Store(Protocol):
    """Where a lake keeps its bytes; keys are `LAYER/REST`."""

    def read(self, key: str) -> bytes | None: ...
    def write(self, key: str, data: bytes) -> None: ...
    def create(self, key: str, data: bytes) -> bool: ...
    def delete(self, key: str) -> None: ...
    def keys(self, prefix: str) -> Iterator[str]: ...
    def url(self, key: str) -> str: ...


class Lake:
    """Objects by key, whole and checked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, key: str, sha256: str | None = None) -> bytes:
        """The object's bytes.

        Raises:
            LakeError: there is no such object, or its hash is not `sha256`.
        """
        data = self._store.read(key)
        if data is None:
            raise LakeError(f"{self.url(key)} does not exist; run the stage that writes it first")
        if sha256 is not None and sha256_hex(data) != sha256:
            raise LakeError(
                f"{self.url(key)} has the hash {sha256_hex(data)}, recorded was {sha256}: "
                "it was changed behind the lake's back; run the stage that writes it again"
            )
        return data

    def write(self, key: str, data: bytes) -> str:
        """Replaces the object, atomically; returns the hash of its bytes."""
        self._store.write(key, data)
        return sha256_hex(data)

    def create(self, key: str, data: bytes) -> bool:
        """Writes the object unless there is one, atomically; False when there was."""
        return self._store.create(key, data)

    def delete(self, key: str) -> None:
        """Removes the object, if there is one."""
        self._store.delete(key)

    def exists(self, key: str) -> bool:
        return any(found == key for found in self._store.keys(key))

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix` (which names a layer), sorted."""
        return sorted(self._store.keys(prefix))

    def url(self, key: str) -> str:
        """The object's place, for people."""
        return self._store.url(key)

    def read_json(self, key: str) -> Any:
        return json.loads(self.read(key))

    def read_model(self, key: str, kind: type[ModelT]) -> ModelT:
        """The JSON object as a document of type `kind` (see artifacts.py).

        Raises:
            LakeError: There is no such object, or it lacks fields of the type or has others.
        """
        try:
            return kind.model_validate_json(self.read(key))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise LakeError(
                f"{self.url(key)} is not a valid {kind.__name__}: {field}: {first['msg']}; "
                "run the stage that writes it again"
            ) from None

    def write_json(self, key: str, value: Any) -> str:
        """Write `value` so that equal values are equal bytes; return their SHA-256."""
        return self.write(key, to_json_bytes(value))

    def write_model(self, key: str, model: BaseModel) -> str:
        """Write a document so that equal documents are equal bytes; return their SHA-256."""
        return self.write(key, to_json_bytes(model.model_dump()))


class DiskStore:
    """A folder for each layer; an object becomes visible by a rename."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def url(self, key: str) -> str:
        return str(self._root / key)

    def read(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LakeError(f"{self.url(key)} cannot be read: {error.strerror}") from error

    def write(self, key: str, data: bytes) -> None:
        with self._temporary(key, data) as temporary:
            Path(temporary).replace(self._root / key)

    def create(self, key: str, data: bytes) -> bool:
        with self._temporary(key, data) as temporary:
            try:
                os.link(temporary, self._root / key)
            except FileExistsError:
                return False
        return True

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[str]:
        layer = self._root / prefix.partition("/")[0]
        for path in layer.rglob("*"):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefix) and path.is_file() and not path.name.startswith(".writing-"):
                yield key

    @contextlib.contextmanager
    def _temporary(self, key: str, data: bytes) -> Iterator[str]:
        """A file beside the object that holds `data` safely on the disk, gone afterwards."""
        folder = (self._root / key).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=".writing-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                yield name
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise LakeError(
                f"{self.url(key)} cannot be written: {error.strerror}; MLOPS_LAKE__URL must name a folder that can be"
            ) from error


class S3Store:
    """A bucket for each layer; an S3 put is atomic by itself."""

    def __init__(self, client: BaseClient, prefix: str) -> None:
        self._client: Any = client
        self._prefix = prefix

    def _place(self, key: str) -> dict[str, str]:
        layer, _, rest = key.partition("/")
        return {"Bucket": bucket_name(layer, self._prefix), "Key": rest}

    def url(self, key: str) -> str:
        place = self._place(key)
        return f"s3://{place['Bucket']}/{place['Key']}"

    @contextlib.contextmanager
    def _failures(self, key: str, verb: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise LakeError(
                f"{self.url(key)} cannot be {verb}: {error}; see MLOPS_LAKE__ENDPOINT and the AWS keys"
            ) from error

    def read(self, key: str) -> bytes | None:
        with self._failures(key, "read"):
            try:
                data: bytes = self._client.get_object(**self._place(key))["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return data

    def write(self, key: str, data: bytes) -> None:
        with self._failures(key, "written"):
            self._client.put_object(**self._place(key), Body=data)

    def create(self, key: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        with self._failures(key, "written"):
            try:
                self._client.put_object(**self._place(key), Body=data, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] in (
                    "PreconditionFailed",
                    "ConditionalRequestConflict",
                ):
                    return False
                raise
        return True

    def delete(self, key: str) -> None:
        with self._failures(key, "deleted"):
            self._client.delete_object(**self._place(key))

    def keys(self, prefix: str) -> Iterator[str]:
        layer = prefix.partition("/")[0]
        place = self._place(prefix)
        with self._failures(prefix, "listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=place["Bucket"], Prefix=place["Key"]
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    yield f"{layer}/{item['Key']}"


def open_lake(settings: LakeSettings) -> Lake:
    """The lake that the settings name.

    Raises:
        LakeError: the URL is of no known kind.
    """
    if settings.url.startswith("file://"):
        return Lake(DiskStore(path_from_file_url(settings.url)))
    if settings.url.startswith("s3://"):
        return Lake(S3Store(s3_client(settings), settings.url.removeprefix("s3://").strip("/")))
    raise LakeError(f"MLOPS_LAKE__URL is {settings.url!r}; it must begin with file:// or s3://")


def s3_client(settings: LakeSettings) -> BaseClient:
    """A client for plain S3: path style, bounded waits."""
    import boto3
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path"},
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    client: BaseClient = boto3.client("s3", endpoint_url=settings.endpoint, config=config)
    return client


def bucket_name(layer: str, prefix: str) -> str:
    """The bucket's name of a layer, for a lake URL `s3://PREFIX`."""
    return f"{prefix}-{layer}" if prefix else layer


def sha256_hex(data: bytes) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def to_json_bytes(value: Any) -> bytes:
    """JSON for people and for hashing: indented, keys sorted, no NaN."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"
