"""A data lake on S3, and the S3 client that every other use shares."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from pipeline.errors import LakeError
from pipeline.settings.connections import LakeSettings

if TYPE_CHECKING:
    from botocore.client import BaseClient


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
            try:
                data: bytes = self._client.get_object(**self._location(key))["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return data

    def write(self, key: str, data: bytes) -> None:
        with self._raise_lake_errors(key, "written"):
            self._client.put_object(**self._location(key), Body=data)

    def create(self, key: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        with self._raise_lake_errors(key, "written"):
            try:
                self._client.put_object(**self._location(key), Body=data, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] in (
                    "PreconditionFailed",
                    "ConditionalRequestConflict",
                ):
                    return False
                raise
        return True

    def delete(self, key: str) -> None:
        with self._raise_lake_errors(key, "deleted"):
            self._client.delete_object(**self._location(key))

    def versions(self, key: str) -> list[str]:
        location = self._location(key)
        with self._raise_lake_errors(key, "listed"):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=location["Bucket"], Prefix=location["Key"]
            )
            found = [
                item
                for page in pages
                for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
                if item["Key"] == location["Key"]
            ]
        found.sort(key=lambda item: (item["IsLatest"], item["LastModified"]), reverse=True)
        return [item["VersionId"] for item in found]

    def erase(self, key: str, version: str) -> None:
        with self._raise_lake_errors(key, "deleted"):
            self._client.delete_object(**self._location(key), VersionId=version)

    def keys(self, prefix: str, before: str | None) -> Iterator[str]:
        layer = prefix.partition("/")[0]
        location = self._location(prefix)
        with self._raise_lake_errors(prefix, "listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=location["Bucket"], Prefix=location["Key"]
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    key = f"{layer}/{item['Key']}"
                    if before is not None and key >= before:  # S3 lists keys in their order
                        return
                    yield key

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
            raise LakeError(
                f"{self.url(key)} cannot be {verb}: {error}. Check MLOPS_LAKE__ENDPOINT and the "
                "AWS keys"
            ) from error


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


def bucket_name(layer: str, prefix: str) -> str:
    """Return the name of a layer's bucket in a lake whose URL is `s3://PREFIX`."""
    return f"{prefix}-{layer}" if prefix else layer
