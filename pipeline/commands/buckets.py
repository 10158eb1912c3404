"""Create the missing buckets of a data lake on S3, one per layer, and keep old versions in bronze.

Replaced and deleted versions are kept for MLOPS_RETENTION__OLD_VERSION_DAYS.

With --identities it also creates MinIO's users: one per stage and service, each with a policy that
allows the objects that it uses. With --roles it creates the policies of people with ID tokens.
Waits until the service responds. Running it again changes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.commands.policies import add_source, make_policies
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import LakeError, StageSkipped
from pipeline.polling import poll_until
from pipeline.settings.connections import LakeSettings
from pipeline.storage.layout import BRONZE, LAYERS, bucket_name
from pipeline.storage.minio_roles import make_role_policies, write_role_policies
from pipeline.storage.minio_users import read_identities, write_users
from pipeline.storage.s3 import s3_client

VERSIONED_LAYER = BRONZE
"""Bronze is append-only. Versioning allows us to recover an object overwritten by mistake."""
LIFECYCLE_RULE = "student-mlops-old-versions"
"""ID of the lifecycle rule of that bucket."""
POLL_INTERVAL_SECONDS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--wait",
        type=float,
        default=300,
        metavar="SECONDS",
        help="how long to wait for the service (default: %(default)g)",
    )
    parser.add_argument(
        "--identities",
        type=Path,
        metavar="FOLDER",
        help="folder with a folder per identity, which has its keys in the files "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (only with MinIO)",
    )
    parser.add_argument(
        "--roles",
        type=json.loads,
        default={},
        metavar="JSON",
        help="roles of people, each with the values of the claim that give it, as in "
        '\'{"viewer": ["staff"]}\' (only with --identities)',
    )
    add_source(parser)


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Create the buckets of the lake.

    Raises:
        LakeError: If the service does not respond in time, or refuses.
        StageSkipped: If the lake is on disk.
    """
    settings = context.settings.lake
    if not settings.is_s3:
        raise StageSkipped(
            f"the lake {settings.url} is on disk, where folders are created when they are needed"
        )
    create_buckets(settings, arguments.wait, context.settings.retention.old_version_days)
    if arguments.identities is not None:
        create_users(settings, arguments.identities, arguments.source)
        create_role_policies(settings, arguments.roles)


def create_buckets(
    settings: LakeSettings, timeout_seconds: float, old_version_days: int = 0
) -> None:
    """Create the missing buckets once the service responds.

    Args:
        settings: The lake, whose URL begins with `s3://`.
        timeout_seconds: How long to wait for the service.
        old_version_days: How long old versions of objects in bronze are kept; 0 keeps them.

    Raises:
        LakeError: If the service does not respond in time, or refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    client: Any = s3_client(settings)
    service = settings.endpoint or "AWS"
    failure: Exception | None = None

    def try_to_create() -> bool | None:
        nonlocal failure
        try:
            _create_missing(client, settings.bucket_prefix)
            _expire_old_versions(client, settings.bucket_prefix, old_version_days)
        except (BotoCoreError, ClientError) as error:
            failure = error
            if not _is_temporary(error):
                return False
            echo(f"waiting for {service}: {error}")
            return None
        return True

    if not poll_until(
        try_to_create,
        timeout_seconds=timeout_seconds,
        interval_seconds=POLL_INTERVAL_SECONDS,
    ):
        raise LakeError(
            f"the buckets at {service} could not be created: {failure}. Check "
            "MLOPS_LAKE__ENDPOINT and the AWS keys"
        ) from failure


def create_users(settings: LakeSettings, folder: Path, sources: Sequence[str]) -> None:
    """Create MinIO's users, or give them their current keys and policies.

    Args:
        settings: The lake, whose endpoint is MinIO.
        folder: Folder with the keys of the identities; see `read_identities`.
        sources: Objects outside the lake that `ingest` may read, as patterns BUCKET/KEY.

    Raises:
        LakeError: If MinIO does not respond, or refuses.
        SettingsError: If the folder lacks a key.
    """
    identities = read_identities(folder, make_policies(settings.bucket_prefix, sources))
    for former in write_users(settings, identities):
        echo(f"user {former} deleted, which is no longer in use")
    names = ", ".join(identity.name for identity in identities)
    echo(f"{len(identities)} users have their keys and policies: {names}")


def create_role_policies(settings: LakeSettings, roles: Mapping[str, Sequence[str]]) -> None:
    """Create the policies of people with ID tokens, and delete former ones.

    Args:
        settings: The lake, whose endpoint is MinIO.
        roles: The roles of people, each with the values of the claim that give it.

    Raises:
        LakeError: If MinIO does not respond, or refuses.
        SettingsError: If a value cannot be the name of a policy.
    """
    policies = make_role_policies(roles, settings.bucket_prefix)
    for former in write_role_policies(settings, policies):
        echo(f"policy {former} deleted, which is no longer in use")
    if policies:
        echo(f"people have the policies of their roles, by the claim: {', '.join(policies)}")


def _is_temporary(error: Exception) -> bool:
    """Whether the service may respond later: it is not reachable yet, or failed (5xx)."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) >= 500
    return isinstance(error, (ConnectionError, HTTPClientError))


def _create_missing(client: Any, prefix: str) -> None:
    present = {item["Name"] for item in client.list_buckets()["Buckets"]}
    for layer in LAYERS:
        bucket = bucket_name(layer, prefix)
        is_new = bucket not in present and _create(client, bucket)
        echo(f"bucket {bucket} {'created' if is_new else 'exists'}")
    versioned = bucket_name(VERSIONED_LAYER, prefix)
    if client.get_bucket_versioning(Bucket=versioned).get("Status") != "Enabled":
        client.put_bucket_versioning(
            Bucket=versioned, VersioningConfiguration={"Status": "Enabled"}
        )
        echo(f"bucket {versioned} now keeps all versions")


def _expire_old_versions(client: Any, prefix: str, days: int) -> None:
    """Let the service delete old versions in bronze; other rules of the bucket stay."""
    from botocore.exceptions import ClientError

    bucket = bucket_name(VERSIONED_LAYER, prefix)
    try:
        present = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        present = []
    rules = [rule for rule in present if rule.get("ID") != LIFECYCLE_RULE]
    if days:
        rules.append(
            {
                "ID": LIFECYCLE_RULE,
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "NoncurrentVersionExpiration": {"NoncurrentDays": days},
            }
        )
    if rules == present:
        return
    if rules:
        client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": rules}
        )
    else:
        client.delete_bucket_lifecycle(Bucket=bucket)
    echo(f"bucket {bucket} keeps old versions {f'for {days} days' if days else 'for good'}")


def _create(client: Any, bucket: str) -> bool:
    """Create a bucket; return False if another run of this command was faster."""
    region = client.meta.region_name
    # S3 accepts every region as a constraint except its default, us-east-1.
    options = (
        {}
        if region in (None, "us-east-1")
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    try:
        client.create_bucket(Bucket=bucket, **options)
    except client.exceptions.BucketAlreadyOwnedByYou:
        return False
    return True
