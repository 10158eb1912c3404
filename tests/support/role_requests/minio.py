"""Requests to MinIO for an object or for the keys below a prefix, which need not exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.storage import layout

NEVER: Mapping[str, Any] = MappingProxyType({"Body": b"", "IfMatch": "0" * 32})
"""A write on a condition that no object meets: it needs the right to write, and fails."""
USERS_ROW = "list MinIO's users"
"""The row of a request to MinIO's own API, which is not that of S3."""


@dataclass(frozen=True)
class ObjectCall:
    """A request of an S3 client.

    Attributes:
        method: Name of boto3's method.
        key: Key in the lake, or a prefix for `list_objects_v2`.
        options: Further parameters of the method.
    """

    method: str
    key: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the method."""
        bucket, _, rest = self.key.partition("/")
        place = "Prefix" if self.method == "list_objects_v2" else "Key"
        return {"Bucket": bucket, place: rest, **self.options}


def read(key: str) -> ObjectCall:
    return ObjectCall("get_object", key)


def write(key: str) -> ObjectCall:
    return ObjectCall("put_object", key, NEVER)


def list_below(prefix: str) -> ObjectCall:
    return ObjectCall("list_objects_v2", prefix, {"MaxKeys": 1})


ROWS: Mapping[str, tuple[ObjectCall, ...]] = {
    "list and read the reports": (list_below("reports/"), read("reports/unknown")),
    "list the inbox": (list_below(layout.inbox_file("")),),
    "upload a file to the inbox": (write(layout.inbox_file("school.csv")),),
    "read or write the marker that stops the answers": (
        read(layout.STOP_MARKER),
        write(layout.STOP_MARKER),
    ),
    "read a raw file": (read(layout.bronze_file("0" * 64)), read(layout.inbox_file("unknown.csv"))),
    "read the rows in silver": (read(f"{layout.SILVER_LIVE}unknown"),),
    "read a split in gold": (read(layout.gold_split("unknown", "test")),),
    "read an artifact of MLflow": (read(f"{layout.MLFLOW_ARTIFACTS}unknown"),),
    "overwrite a model": (
        write(layout.model_file("manifest.json")),
        write(f"{layout.MLFLOW_ARTIFACTS}unknown"),
    ),
    "write a promotion record": (
        write(layout.promotion_record(1)),
        write(layout.PROMOTION_LOG),
    ),
    "delete a report": (ObjectCall("delete_object", "reports/unknown"),),
}
