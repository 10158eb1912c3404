"""A real MinIO that accepts the ID tokens of an issuer."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore import UNSIGNED
from botocore.config import Config

from pipeline.commands.local_servers import find_free_port
from pipeline.polling import poll_until
from pipeline.settings.connections import LakeSettings
from tests.support.issuer import CLIENT_ID, CONFIGURATION, Issuer

ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "root-user", "AWS_SECRET_ACCESS_KEY": "a-long-password"}


class Minio:
    """A MinIO that accepts the tokens of an issuer."""

    def __init__(self, url: str, issuer: Issuer) -> None:
        self.url = url
        self.issuer = issuer
        self.settings = LakeSettings(url="s3://", endpoint=url)

    def connect(self, service: str, **options: Any) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", **options)

    def exchange(self, token: str, **options: Any) -> dict[str, Any]:
        """Return keys for a token."""
        sts = self.connect("sts", config=Config(signature_version=UNSIGNED))
        answer = sts.assume_role_with_web_identity(
            RoleArn="arn:aws:iam::dummy:role/dummy",
            RoleSessionName="school",
            WebIdentityToken=token,
            **options,
        )
        keys: dict[str, Any] = answer["Credentials"]
        return keys

    def log_in(self, *values: str) -> Any:
        """Return an S3 client with the keys of a person."""
        keys = self.exchange(self.issuer.sign(*values))
        return self.connect(
            "s3",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )


@contextlib.contextmanager
def run_minio(program: str, folder: Path, issuer: Issuer) -> Iterator[str]:
    """Run MinIO with the variables of the chart; yields its URL."""
    variables = {
        "MINIO_ROOT_USER_FILE": str(folder / "user"),
        "MINIO_ROOT_PASSWORD_FILE": str(folder / "password"),
        "MINIO_UPDATE": "off",
        "MINIO_IDENTITY_OPENID_CONFIG_URL": issuer.url + CONFIGURATION,
        "MINIO_IDENTITY_OPENID_CLIENT_ID": CLIENT_ID,
        "MINIO_IDENTITY_OPENID_CLAIM_NAME": "roles",
    }
    (folder / "user").write_text(ADMINISTRATOR["AWS_ACCESS_KEY_ID"])
    (folder / "password").write_text(ADMINISTRATOR["AWS_SECRET_ACCESS_KEY"])
    address = f"127.0.0.1:{find_free_port()}"
    command = [program, "server", str(folder / "data"), f"--address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | variables, stdout=log, stderr=subprocess.STDOUT
        )

    def probe() -> bool | None:
        try:
            health = httpx.get(f"http://{address}/minio/health/ready", timeout=2)
        except httpx.TransportError:
            return None if process.poll() is None else False
        return health.is_success or None

    try:
        started = poll_until(probe, timeout_seconds=60, interval_seconds=0.1)
        assert started, (folder / "log").read_text()
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)
