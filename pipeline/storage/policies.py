"""The S3 policy of an identity: it allows what its access says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.storage.access import Access
from pipeline.storage.layout import bucket_name

POLICY_VERSION = "2012-10-17"
"""Version of the policy language."""
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "reads": ("s3:GetObject",),
    "writes": ("s3:PutObject", "s3:AbortMultipartUpload"),
    "deletes": ("s3:DeleteObject",),
    "erases": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
}
"""Actions on objects that a field of Access allows."""


def make_policy(
    access: Access, bucket_prefix: str, more_reads: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the S3 policy of an identity.

    Args:
        access: What the identity may do.
        bucket_prefix: Prefix of the bucket names, as in a lake whose URL is `s3://PREFIX`.
        more_reads: Objects outside the lake that it may read, as patterns `BUCKET/KEY`. It may
            list those of a pattern with `*`.

    Returns:
        The policy, in the JSON format of AWS and MinIO.

    Reference: AWS Identity and Access Management User Guide, "IAM JSON policy reference".
    """
    statements = []
    for field, actions in ACTIONS.items():
        resources = [_get_arn(pattern, bucket_prefix) for pattern in getattr(access, field)]
        resources += [_arn(pattern) for pattern in more_reads] if field == "reads" else []
        if resources:
            statements.append(_allow(actions, sorted(resources)))
    statements += _allow_listing("s3:ListBucket", access.list_patterns, bucket_prefix)
    for pattern in more_reads:
        bucket, _, key = pattern.partition("/")
        if "*" in key:
            condition = {"StringLike": {"s3:prefix": key.partition("*")[0] + "*"}}
            statements.append(_allow(("s3:ListBucket",), [_arn(bucket)]) | {"Condition": condition})
    if access.erases:
        versions = (*access.erases, *access.list_patterns)
        statements += _allow_listing("s3:ListBucketVersions", versions, bucket_prefix)
    if access.inspects:
        buckets = [_get_arn(layer, bucket_prefix) for layer in access.inspects]
        statements.append(_allow(("s3:GetBucketVersioning",), buckets))
    return {"Version": POLICY_VERSION, "Statement": statements}


def _allow_listing(
    action: str, patterns: Iterable[str], bucket_prefix: str
) -> Iterator[dict[str, Any]]:
    """Allow to list the keys that begin with a prefix of these patterns, bucket by bucket."""
    prefixes: dict[str, list[str]] = {}
    for pattern in sorted(set(patterns)):  # MinIO refuses a pattern that is listed twice
        layer, _, rest = pattern.partition("/")
        prefixes.setdefault(layer, []).append(rest)
    for layer, own in prefixes.items():
        condition = {"StringLike": {"s3:prefix": own}}
        yield _allow((action,), [_get_arn(layer, bucket_prefix)]) | {"Condition": condition}


def _allow(actions: Iterable[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _get_arn(key: str, bucket_prefix: str) -> str:
    """Amazon resource name of a layer's bucket, or of the objects in it whose key is given."""
    layer, slash, rest = key.partition("/")
    return _arn(bucket_name(layer, bucket_prefix) + slash + rest)


def _arn(path: str) -> str:
    return f"arn:aws:s3:::{path}"
