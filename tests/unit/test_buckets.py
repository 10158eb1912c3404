"""`python -m pipeline buckets`, against a real S3 server."""

from __future__ import annotations

import threading
import uuid
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from pipeline.commands.buckets import create_buckets, main
from pipeline.context import open_context
from pipeline.errors import LakeError, StageSkipped
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.storage.layout import LAYERS, bucket_name
from pipeline.storage.s3 import s3_client

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def empty(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> LakeSettings:
    """Settings of a lake without buckets."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return LakeSettings(url=f"s3://test-{uuid.uuid4().hex[:12]}", endpoint=s3_endpoint)


def list_buckets(settings: LakeSettings) -> set[str]:
    client: Any = s3_client(settings)
    prefix = settings.bucket_prefix
    return {
        item["Name"] for item in client.list_buckets()["Buckets"] if item["Name"].startswith(prefix)
    }


def test_one_bucket_per_layer(empty: LakeSettings) -> None:
    """Each layer gets a bucket; only bronze keeps all versions."""
    create_buckets(empty, timeout_seconds=5)
    prefix = empty.bucket_prefix
    assert list_buckets(empty) == {bucket_name(layer, prefix) for layer in LAYERS}
    client: Any = s3_client(empty)
    kept = {
        layer: client.get_bucket_versioning(Bucket=bucket_name(layer, prefix)).get("Status")
        for layer in LAYERS
    }
    assert kept == {
        "bronze": "Enabled",
        "silver": None,
        "gold": None,
        "models": None,
        "reports": None,
    }


def test_running_again_changes_nothing(
    empty: LakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run keeps the buckets and their objects."""
    create_buckets(empty, timeout_seconds=5)
    client: Any = s3_client(empty)
    bucket = bucket_name("gold", empty.bucket_prefix)
    client.put_object(Bucket=bucket, Key="x", Body=b"rows")
    capsys.readouterr()
    create_buckets(empty, timeout_seconds=5)
    assert client.get_object(Bucket=bucket, Key="x")["Body"].read() == b"rows"
    assert "created" not in capsys.readouterr().err


def test_old_versions_expire(empty: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """A lifecycle rule deletes old versions in bronze; rules of others stay."""
    create_buckets(empty, timeout_seconds=5)
    client: Any = s3_client(empty)
    bucket = bucket_name("bronze", empty.bucket_prefix)
    other = {
        "ID": "other",
        "Status": "Enabled",
        "Filter": {"Prefix": "inbox/"},
        "Expiration": {"Days": 9},
    }
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [other]}
    )
    for days, expected in ((30, [9, 30]), (30, [9, 30]), (7, [9, 7]), (0, [9])):
        create_buckets(empty, timeout_seconds=5, old_version_days=days)
        rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        found = [
            (rule.get("Expiration") or {}).get("Days")
            or rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            for rule in rules
        ]
        assert found == expected
    assert capsys.readouterr().err.count("keeps old versions for") == 3


def test_region(s3_endpoint: str, empty: LakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets are created in the region of the environment."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    create_buckets(empty, timeout_seconds=5)
    client: Any = s3_client(empty)
    bucket = bucket_name("gold", empty.bucket_prefix)
    assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-central-1"


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """An S3 server that has a port and is not started yet."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    first = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    first.start()
    port = first.get_host_and_port()[1]
    first.stop()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    yield server
    server.stop()


def test_waits_for_the_service(
    late: ThreadedMotoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command waits for a service that starts later."""
    settings = LakeSettings(url="s3://late", endpoint=f"http://127.0.0.1:{late._port}")
    timer = threading.Timer(1, late.start)
    timer.start()
    create_buckets(settings, timeout_seconds=60)
    timer.join()
    assert len(list_buckets(settings)) == len(LAYERS)


def test_a_service_that_never_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the service's URL and the settings."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        LakeError,
        match=r"buckets at http://127\.0\.0\.1:9 could not be created: .*MLOPS_LAKE__ENDPOINT",
    ):
        create_buckets(LakeSettings(url="s3://absent", endpoint="http://127.0.0.1:9"), 0)


def test_missing_keys_fail_at_once(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys the command does not wait."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it has the keys of earlier tests
    with pytest.raises(LakeError, match="Unable to locate credentials"):
        create_buckets(LakeSettings(url="s3://keyless", endpoint=s3_endpoint), 600)


def test_a_lake_on_disk_has_no_buckets() -> None:
    """The command is skipped, with the reason."""
    settings = Settings.model_validate({"lake": {"url": "file://local/lake"}})
    with pytest.raises(StageSkipped, match="on disk"):
        main(open_context(settings, "buckets"), Namespace(wait=1))
