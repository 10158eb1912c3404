"""A data lake on S3, and the S3 client that every other use shares."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipeline.errors import LakeError
from pipeline.settings.connections import LakeSettings
from pipeline.storage.layout import bucket_name
from pipeline.storage.streams import CHUNK_BYTES, NewFile, ScratchFile
from pipeline.storage.versions import StoredVersion, sort_newest_first

if TYPE_CHECKING:
    from botocore.client import BaseClient

PART_BYTES = 16 << 20
"""Larger files are uploaded in parts of this size, which are held in memory one at a time."""
MAX_PARTS = 10_000
"""S3's limit; a file that would have more gets larger parts."""
EXISTS_CODES = ("PreconditionFailed", "ConditionalRequestConflict")
"""S3's errors for an object that must not exist but does."""
FULL_CODES = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded")
"""MinIO's errors for a full volume, and for a bucket that has reached its quota."""


class S3Store:
    """A bucket per layer. S3 itself writes objects atomically."""

    def __init__(self, client: BaseClient, prefix: str) -> None:
        self._client: Any = client
        self._prefix = prefix

    @classmethod
    def from_settings(cls, settings: LakeSettings) -> Self:
        """Connect to the service of a lake whose URL is `s3://PREFIX`."""
        return cls(s3_client(settings), settings.bucket_prefix)

    def url(self, key: str) -> str:
        location = self._location(key)
        return f"s3://{location['Bucket']}/{location['Key']}"

    def read(self, key: str) -> bytes | None:
        with self._raise_lake_errors(key, "read"):
            response = self._find(self._client.get_object, key)
            return None if response is None else response["Body"].read()

    def read_range(self, key: str, start: int, size: int) -> bytes | None:
        from botocore.exceptions import ClientError

        def get(**location: str) -> Any:
            return self._client.get_object(**location, Range=f"bytes={start}-{start + size - 1}")

        with self._raise_lake_errors(key, "read"):
            try:
                response = self._find(get, key)
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidRange":  # the object ends before
                    raise
                return b""
            return None if response is None else response["Body"].read()

    def chunks(self, key: str) -> Generator[bytes, None, None] | None:
        with self._raise_lake_errors(key, "read"):
            response = self._find(self._client.get_object, key)
        return None if response is None else self._read_chunks(key, response["Body"])

    def size(self, key: str) -> int | None:
        with self._raise_lake_errors(key, "read"):
            response = self._find(self._client.head_object, key)
        return None if response is None else response["ContentLength"]

    def write(self, key: str, data: bytes) -> None:
        with self._raise_lake_errors(key, "written"):
            self._client.put_object(**self._location(key), Body=data)

    def create(self, key: str, data: bytes) -> bool:
        with self._raise_lake_errors(key, "written"):
            return self._unless_exists(
                lambda: self._client.put_object(**self._location(key), Body=data, IfNoneMatch="*")
            )

    @contextlib.contextmanager
    def scratch_file(self, layer: str) -> Iterator[ScratchFile]:
        location = f"a temporary file for {layer} in {tempfile.gettempdir()}"
        with tempfile.TemporaryFile() as file, ScratchFile(file, location) as scratch:
            yield scratch

    @contextlib.contextmanager
    def new_file(self, layer: str) -> Iterator[NewFile]:
        with (
            tempfile.NamedTemporaryFile(prefix=f"{layer}-") as temporary,
            NewFile(Path(temporary.name)) as file,
        ):
            yield file

    def write_file(self, key: str, path: Path) -> None:
        with self._raise_lake_errors(key, "written"):
            self._upload(key, path)

    def create_file(self, key: str, path: Path) -> bool:
        if self.size(key) is not None:
            return False
        with self._raise_lake_errors(key, "written"):
            return self._unless_exists(lambda: self._upload(key, path, IfNoneMatch="*"))

    def delete(self, key: str) -> None:
        with self._raise_lake_errors(key, "deleted"):
            self._client.delete_object(**self._location(key))

    def versions(self, key: str) -> list[str]:
        found = sort_newest_first(self.all_versions(key))
        return [one.version for one in found if one.key == key]

    def erase(self, key: str, version: str) -> None:
        with self._raise_lake_errors(key, "deleted"):
            self._client.delete_object(**self._location(key), VersionId=version)

    def keys(self, prefix: str, before: str | None) -> Iterator[str]:
        layer = prefix.partition("/")[0]
        for page in self._list_pages("list_objects_v2", prefix):
            for item in page.get("Contents", ()):
                key = f"{layer}/{item['Key']}"
                if before is not None and key >= before:  # S3 lists keys in their order
                    return
                yield key

    def all_versions(self, prefix: str) -> Iterator[StoredVersion]:
        layer = prefix.partition("/")[0]
        for page in self._list_pages("list_object_versions", prefix):
            for kind in ("Versions", "DeleteMarkers"):
                for item in page.get(kind, ()):
                    yield StoredVersion(
                        key=f"{layer}/{item['Key']}",
                        version=item["VersionId"],
                        size=item.get("Size", 0),
                        modified=item["LastModified"],
                        is_current=item["IsLatest"],
                        is_marker=kind == "DeleteMarkers",
                    )

    def read_version(self, key: str, version: str) -> bytes | None:
        from botocore.exceptions import ClientError

        with self._raise_lake_errors(key, "read"):
            try:
                response = self._client.get_object(**self._location(key), VersionId=version)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchVersion", "NoSuchKey", "404"):
                    return None
                raise
            data: bytes = response["Body"].read()
            return data

    def delete_leftovers(self, before: float) -> int:
        return 0  # temporary files are in the process's own folder

    def _list_pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield the responses to a request that lists what begins with a prefix."""
        location = self._location(prefix)
        with self._raise_lake_errors(prefix, "listed"):
            yield from self._client.get_paginator(operation).paginate(
                Bucket=location["Bucket"], Prefix=location["Key"]
            )

    def _find(self, request: Callable[..., Any], key: str) -> Any:
        """Send a request about an object; return None if there is no such object."""
        from botocore.exceptions import ClientError

        try:
            return request(**self._location(key))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # AWS refuses to say that an object is missing, unless the whole bucket may be listed.
            is_refused = code in ("AccessDenied", "403")
            if code in ("NoSuchKey", "404") or (is_refused and key not in self.keys(key, None)):
                return None
            raise

    def _upload(self, key: str, path: Path, **conditions: str) -> None:
        """Upload a file, in parts if it is large. The object appears when the last part has.

        Raises:
            ClientError: If a condition does not hold, or the service fails.
        """
        location, size = self._location(key), path.stat().st_size
        with path.open("rb") as file:
            if size <= PART_BYTES:
                self._client.put_object(**location, Body=file, **conditions)
                return
            part_bytes = max(PART_BYTES, math.ceil(size / MAX_PARTS))
            upload = self._client.create_multipart_upload(**location)["UploadId"]
            try:
                parts: list[dict[str, Any]] = []
                while data := file.read(part_bytes):
                    number = len(parts) + 1
                    part = self._client.upload_part(
                        **location, UploadId=upload, PartNumber=number, Body=data
                    )
                    parts.append({"PartNumber": number, "ETag": part["ETag"]})
                self._client.complete_multipart_upload(
                    **location, UploadId=upload, MultipartUpload={"Parts": parts}, **conditions
                )
            except BaseException:
                self._client.abort_multipart_upload(**location, UploadId=upload)
                raise

    def _unless_exists(self, create: Callable[[], Any]) -> bool:
        """Create an object on the condition that there is none; return whether it was created."""
        from botocore.exceptions import ClientError

        try:
            create()
        except ClientError as error:
            if error.response["Error"]["Code"] in EXISTS_CODES:
                return False
            raise
        return True

    def _read_chunks(self, key: str, body: Any) -> Generator[bytes, None, None]:
        with contextlib.closing(body), self._raise_lake_errors(key, "read"):
            yield from body.iter_chunks(CHUNK_BYTES)

    def _location(self, key: str) -> dict[str, str]:
        layer, _, rest = key.partition("/")
        return {"Bucket": bucket_name(layer, self._prefix), "Key": rest}

    @contextlib.contextmanager
    def _raise_lake_errors(self, key: str, verb: str) -> Iterator[None]:
        """Raise the S3 client's errors as LakeError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            advice = "Check MLOPS_LAKE__ENDPOINT and the AWS keys"
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in FULL_CODES:
                advice = (
                    "Delete what is no longer needed, or make MinIO's volume larger (chart value "
                    "minio.persistence.size), and run the stage again"
                )
            raise LakeError(f"{self.url(key)} cannot be {verb}: {error}. {advice}") from error


def s3_client(settings: LakeSettings) -> BaseClient:
    """Create an S3 client that uses path-style URLs and bounded waits.

    Args:
        settings: Names the service; its keys come from the standard AWS variables.

    Returns:
        The client.
    """
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
