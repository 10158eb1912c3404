"""A real MinIO on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from pipeline.commands.local_servers import find_free_port
from pipeline.settings.connections import LakeSettings
from tests.support.servers import run_server

ADMINISTRATOR = {
    "AWS_ACCESS_KEY_ID": "root-user",
    "AWS_SECRET_ACCESS_KEY": "a-long-password",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Variables of a client with all rights."""
START_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class MinioServer:
    """A running server.

    Attributes:
        url: Its URL.
        pid: Id of its process.
    """

    url: str
    pid: int

    @property
    def settings(self) -> LakeSettings:
        """The settings of its lake."""
        return LakeSettings(url="s3://", endpoint=self.url)


@contextlib.contextmanager
def run_minio(program: str, folder: Path, **variables: str) -> Iterator[MinioServer]:
    """Run MinIO; meanwhile the keys of its administrator are in the environment.

    Args:
        program: Path of the program.
        folder: Folder of its files.
        variables: Further variables of the server.
    """
    variables |= {
        "MINIO_ROOT_USER_FILE": str(folder / "user"),
        "MINIO_ROOT_PASSWORD_FILE": str(folder / "password"),
        "MINIO_UPDATE": "off",
    }
    (folder / "user").write_text(ADMINISTRATOR["AWS_ACCESS_KEY_ID"])
    (folder / "password").write_text(ADMINISTRATOR["AWS_SECRET_ACCESS_KEY"])
    address = f"127.0.0.1:{find_free_port()}"
    url = f"http://{address}"
    command = [program, "server", str(folder / "data"), f"--address={address}"]
    health, timeout = f"{url}/minio/health/ready", START_TIMEOUT_SECONDS
    with (
        run_server(command, health, folder, variables, timeout_seconds=timeout) as process,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in ADMINISTRATOR.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # which may have other keys
        yield MinioServer(url, process.pid)
