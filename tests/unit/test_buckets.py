"""`python -m pipeline buckets` makes a lake's buckets on a real S3 service."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from pipeline.commands.buckets import main, make_buckets
from pipeline.context import open_context
from pipeline.errors import LakeError, StageSkipped
from pipeline.settings import LakeSettings, Settings
from pipeline.storage.layout import LAYERS
from pipeline.storage.s3 import bucket_name, s3_client

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def empty(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> LakeSettings:
    """A lake of which no bucket is there."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return LakeSettings(
        url=f"s3://{request.node.name.replace('_', '-')[:40]}", endpoint=s3_endpoint
    )


def names(settings: LakeSettings) -> set[str]:
    client: Any = s3_client(settings)
    prefix = settings.bucket_prefix
    return {
        item["Name"] for item in client.list_buckets()["Buckets"] if item["Name"].startswith(prefix)
    }


def test_makes_every_layers_bucket(empty: LakeSettings) -> None:
    """Each layer has its bucket; bronze, and no other, keeps every version."""
    make_buckets(empty, wait=5)
    prefix = empty.bucket_prefix
    assert names(empty) == {bucket_name(layer, prefix) for layer in LAYERS}
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


def test_again_loses_nothing(empty: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run finds the buckets and leaves what is in them."""
    make_buckets(empty, wait=5)
    client: Any = s3_client(empty)
    bucket = bucket_name("gold", empty.bucket_prefix)
    client.put_object(Bucket=bucket, Key="x", Body=b"rows")
    capsys.readouterr()
    make_buckets(empty, wait=5)
    assert client.get_object(Bucket=bucket, Key="x")["Body"].read() == b"rows"
    assert "is made" not in capsys.readouterr().err


def test_other_regions_are_named(
    s3_endpoint: str, empty: LakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside S3's default region the bucket is made in the region that is asked for."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    make_buckets(empty, wait=5)
    client: Any = s3_client(empty)
    bucket = bucket_name("gold", empty.bucket_prefix)
    assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-central-1"


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """An S3 service that does not run yet, but whose port is known."""
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
    """A service that starts after the command is waited for."""
    settings = LakeSettings(url="s3://late", endpoint=f"http://127.0.0.1:{late._port}")
    timer = threading.Timer(1, late.start)
    timer.start()
    make_buckets(settings, wait=60)
    timer.join()
    assert len(names(settings)) == len(LAYERS)


def test_an_absent_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that never answers fails after the wait, with its URL and the settings to look at."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        LakeError,
        match=r"buckets at http://127\.0\.0\.1:9 cannot be made: .*; see MLOPS_LAKE__ENDPOINT",
    ):
        make_buckets(LakeSettings(url="s3://absent", endpoint="http://127.0.0.1:9"), wait=0)


def test_wrong_keys_are_not_waited_for(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys the command fails at once: no wait brings them."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # remembers the keys of earlier tests
    with pytest.raises(LakeError, match="Unable to locate credentials"):
        make_buckets(LakeSettings(url="s3://keyless", endpoint=s3_endpoint), wait=600)


def test_a_lake_on_a_disk_needs_none() -> None:
    """On a disk there is nothing to do, and the command says so."""
    settings = Settings.model_validate({"lake": {"url": "file://local/lake"}})
    with pytest.raises(StageSkipped, match="on a disk"):
        main(open_context(settings, "buckets"), Namespace(wait=1))
