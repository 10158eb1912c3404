"""Clients of MinIO with other keys than those in the environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.settings.connections import LakeSettings

NO_KEYS = Config(signature_version=UNSIGNED)


def make_client(service: str, lake: LakeSettings, **options: Any) -> Any:
    """Return a client of MinIO.

    Args:
        service: `s3` or `sts`.
        lake: Settings of a lake in MinIO.
        options: The keys and the configuration.
    """
    return boto3.client(service, endpoint_url=lake.endpoint, region_name="us-east-1", **options)


def exchange_token(lake: LakeSettings, token: str, **options: Any) -> dict[str, Any]:
    """Return the temporary keys for an ID token.

    Raises:
        ClientError: If MinIO refuses.
    """
    with contextlib.closing(make_client("sts", lake, config=NO_KEYS)) as client:
        answer = client.assume_role_with_web_identity(
            RoleArn="arn:aws:iam::dummy:role/dummy",  # the client requires one, MinIO ignores it
            RoleSessionName="school",
            WebIdentityToken=token,
            **options,
        )
    keys: dict[str, Any] = answer["Credentials"]
    return keys


def log_in(lake: LakeSettings, token: str, config: Config | None = None) -> Any:
    """Return an S3 client with the temporary keys for an ID token.

    Raises:
        ClientError: If MinIO refuses.
    """
    keys = exchange_token(lake, token)
    return make_client(
        "s3",
        lake,
        config=config,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def is_allowed(request: Callable[..., Any], **parameters: Any) -> bool:
    """Whether MinIO carries a request out, or would if its condition or its object allowed it."""
    try:
        request(**parameters)
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        assert code in ("AccessDenied", "NoSuchKey", "PreconditionFailed"), error
        return code != "AccessDenied"
    return True
