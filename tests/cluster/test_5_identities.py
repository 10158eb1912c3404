"""Every identity of the object store, with its own keys, on every kind of object in the lake."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config

from k8s.release import RELEASE
from pipeline.stages import get_identities
from pipeline.storage.access import Access
from pipeline.storage.layout import LAYERS
from tests.cluster.platform import Platform
from tests.support.lake_keys import KEYS
from tests.support.minio_clients import is_allowed, make_client

IDENTITIES = get_identities()
THREADS = 4
NO_VERSION = "00000000-0000-0000-0000-000000000000"
CONFIG = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 5})


def connect(platform: Platform, keys: dict[str, str]) -> Any:
    return make_client(
        "s3",
        platform.store,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        config=CONFIG,
    )


def try_all(client: Any, access: Access) -> Iterator[tuple[str, bool, bool]]:
    """Try every action on every kind of object.

    A write creates an object only if there is none, and deletions name a version that does not
    exist, so that nothing is changed but objects of a run that does not exist.

    Yields:
        What was tried, whether it was allowed, and whether the stage table allows it.
    """
    for key in KEYS:
        layer, _, rest = key.partition("/")
        place = {"Bucket": layer, "Key": rest}
        yield (
            f"read {key}",
            is_allowed(client.get_object, **place),
            access.allows("reads", key),
        )
        yield (
            f"write {key}",
            is_allowed(client.put_object, **place, Body=b"", IfNoneMatch="*"),
            access.allows("writes", key),
        )
        yield (
            f"erase {key}",
            is_allowed(client.delete_object, **place, VersionId=NO_VERSION),
            access.allows("deletes", key) or access.allows("erases", key),
        )
        for prefix in (rest, rest.rpartition("/")[0] + "/"):
            yield (
                f"list {layer}/{prefix}",
                is_allowed(client.list_objects_v2, Bucket=layer, Prefix=prefix, MaxKeys=1),
                access.allows_listing(f"{layer}/{prefix}"),
            )
    for layer in LAYERS:
        yield (
            f"inspect {layer}",
            is_allowed(client.get_bucket_versioning, Bucket=layer),
            layer in access.inspects,
        )


@pytest.fixture
def cleanup(platform: Platform) -> Iterator[None]:
    """Delete the objects that the test created."""
    existing = {key for layer in LAYERS for key in platform.lake.keys(f"{layer}/")}
    yield
    for key in set(KEYS) - existing:
        platform.lake.delete(key)


@pytest.mark.usefixtures("cleanup")
def test_an_identity_may_do_what_the_stage_table_says(platform: Platform) -> None:
    """MinIO allows every identity what the table says, and refuses everything else."""

    def find_differences(name: str) -> list[str]:
        client = connect(platform, platform.cluster.read_secret(f"{RELEASE}-s3-{name}"))
        return [
            f"{name}: {action} is {'allowed' if allowed else 'refused'}"
            for action, allowed, expected in try_all(client, IDENTITIES[name])
            if allowed is not expected
        ]

    with ThreadPoolExecutor(THREADS) as threads:
        differences = [each for own in threads.map(find_differences, IDENTITIES) for each in own]
    assert differences == []


def test_only_minio_and_its_job_have_the_administrators_keys(platform: Platform) -> None:
    """No other pod refers to the Secret, and every container of a pod has one identity at most."""
    holders = set()
    for pod in platform.cluster.get("pods")["items"]:
        text = str(pod["spec"])
        if f"'{RELEASE}-objectstore'" in text:
            holders.add(pod["metadata"]["labels"]["app.kubernetes.io/component"])
    assert holders <= {"minio", "buckets"}
    assert "minio" in holders
