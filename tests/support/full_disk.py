"""A disk, or the volume of an S3 server, that is full from one of the writes on."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

S3_WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


class FullDisk:
    """Counts the writes of this process's lakes, and lets them fail from one of them on.

    On disk, a write fails when its bytes are synced, as with file systems that allocate late. On
    S3, the server refuses the request as MinIO does.

    Attributes:
        at: Number of the first write that fails, from 1; 0 if there is room for all.
        count: Writes so far.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = self.count = 0
        sync, call = os.fsync, BaseClient._make_api_call

        def fsync(descriptor: int) -> None:
            if self._is_full():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(descriptor)

        def make_api_call(client: BaseClient, operation: str, parameters: Any) -> Any:
            if operation in S3_WRITES and self._is_full():
                message = "Storage backend has reached its minimum free drive threshold."
                raise ClientError(
                    {"Error": {"Code": "XMinioStorageFull", "Message": message}}, operation
                )
            return call(client, operation, parameters)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)

    def start(self, at: int = 0) -> None:
        """Count from 0 again, and let the writes fail from this one on."""
        self.at, self.count = at, 0

    def _is_full(self) -> bool:
        self.count += 1
        return 0 < self.at <= self.count
