"""Make the buckets of a lake on S3: one a layer, where it is missing. Bronze keeps every version of what is written to it.

Waits for the service first. Running it again changes nothing.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import LakeError, StageSkipped
from pipeline.settings import LakeSettings
from pipeline.storage.layout import BRONZE, LAYERS
from pipeline.storage.s3 import bucket_name, s3_client

VERSIONED = BRONZE
"""The layer that is never rewritten: should anything do so all the same, the bytes that were there can be had back."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=float,
        default=300,
        metavar="SECONDS",
        help="how long the service may take to answer (default: %(default)g)",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Makes the buckets.

    Raises:
        LakeError: the service does not answer in time, or refuses.
        NothingToDo: the lake is on a disk.
    """
    settings = context.settings.lake
    if not settings.is_s3:
        raise StageSkipped(
            f"the lake {settings.url} is on a disk, where a layer's folder is made when it is first written"
        )
    make_buckets(settings, arguments.wait)


def make_buckets(settings: LakeSettings, wait: float) -> None:
    """Makes the buckets of the lake at `settings.url`, once its service answers, which may take `wait` seconds."""
    from botocore.exceptions import BotoCoreError, ClientError

    client: Any = s3_client(settings)
    place, until = settings.endpoint or "AWS", time.monotonic() + wait
    while True:
        try:
            _make_all(client, settings.bucket_prefix)
            break
        except (BotoCoreError, ClientError) as error:
            if not _passes(error) or time.monotonic() > until:
                raise LakeError(
                    f"the buckets at {place} cannot be made: {error}; see MLOPS_LAKE__ENDPOINT and the AWS keys"
                ) from error
            echo(f"waiting for {place}: {error}")
            time.sleep(2)


def _passes(error: Exception) -> bool:
    """Whether the service may answer otherwise after a while: it is not there yet, or failed by itself (5xx)."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) >= 500
    return isinstance(error, (ConnectionError, HTTPClientError))


def _make_all(client: Any, prefix: str) -> None:
    present = {item["Name"] for item in client.list_buckets()["Buckets"]}
    for layer in LAYERS:
        bucket = bucket_name(layer, prefix)
        made = bucket not in present and _make(client, bucket)
        echo(f"bucket {bucket} is {'made' if made else 'there'}")
    bronze = bucket_name(VERSIONED, prefix)
    if client.get_bucket_versioning(Bucket=bronze).get("Status") != "Enabled":
        client.put_bucket_versioning(Bucket=bronze, VersioningConfiguration={"Status": "Enabled"})
        echo(f"bucket {bronze} keeps every version from now on")


def _make(client: Any, bucket: str) -> bool:
    """Makes a bucket; False when another run of this command was faster."""
    region = client.meta.region_name
    # The first region is S3's default, and the only one that may not be named.
    place = (
        {}
        if region in (None, "us-east-1")
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    try:
        client.create_bucket(Bucket=bucket, **place)
    except client.exceptions.BucketAlreadyOwnedByYou:
        return False
    return True
