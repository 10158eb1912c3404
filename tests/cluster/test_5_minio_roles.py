"""The roles of people in MinIO: the program of the image, with an issuer of the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin

from pipeline.commands.buckets import create_buckets, create_role_policies
from pipeline.storage import layout
from pipeline.storage.minio_roles import BUILT_IN
from tests.cluster.cluster import wait_for
from tests.cluster.platform import Platform
from tests.support.audit_log import read_lines, run_audit_log
from tests.support.issuer import CLIENT_ID, CONFIGURATION, Issuer, run_issuer
from tests.support.minio_clients import exchange_token, is_allowed, log_in, make_client
from tests.support.minio_server import MinioServer, run_minio

ROLES = {
    "viewer": ["viewer", "staff"],
    "tutor": ["tutor", "staff"],
    "operator": ["operator"],
    "approver": ["approver"],
    "admin": ["admin"],
}
REPORT, INBOX, RAW = "reports/run-1/model_card.html", layout.inbox_file("x.csv"), "bronze/raw.csv"
MODEL, STOP = layout.model_file("model.onnx"), layout.STOP_MARKER
LIVE = layout.live_traffic_object("2026-01-01", "pod", 1)
OBJECTS = (REPORT, INBOX, RAW, MODEL, STOP, LIVE)
READ_REPORTS = {("get", REPORT), ("list", REPORT)}
MAY = {
    "viewer": READ_REPORTS,
    "staff": READ_REPORTS,
    "approver": READ_REPORTS,
    "operator": READ_REPORTS
    | {("put", INBOX), ("list", INBOX), ("get", STOP), ("list", STOP)}
    | {("put", STOP), ("delete", STOP)},
    "admin": {(verb, key) for verb in ("get", "list", "put", "delete") for key in OBJECTS},
}
"""What people may do whose token has a value."""
SECRET = "a-secret-that-no-log-may-have"


@pytest.fixture(scope="module")
def program(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MinIO's program, copied from the image of its pod."""
    pods = platform.cluster.get("pods", "-l", "app.kubernetes.io/component=minio")["items"]
    image = pods[0]["spec"]["containers"][0]["image"]
    file = tmp_path_factory.mktemp("program") / "minio"
    container = run_docker("create", image)
    try:
        run_docker("cp", f"{container}:/bin/minio", str(file))
    finally:
        run_docker("rm", container)
    return file


def run_docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return output.stdout.strip()


@dataclass(frozen=True)
class Minio(MinioServer):
    """A MinIO that accepts the tokens of an issuer."""

    issuer: Issuer

    def exchange(self, token: str, **options: Any) -> dict[str, Any]:
        """Return keys for a token."""
        return exchange_token(self.settings, token, **options)

    def log_in(self, *values: str) -> Any:
        """Return an S3 client with the keys of a person."""
        return log_in(self.settings, self.issuer.sign(*values))


@pytest.fixture(scope="module")
def minio(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """A MinIO with the roles, whose administrator's keys are in the environment."""
    folder = tmp_path_factory.mktemp("minio")
    with run_issuer() as issuer:
        variables = {
            "MINIO_IDENTITY_OPENID_CONFIG_URL": issuer.url + CONFIGURATION,
            "MINIO_IDENTITY_OPENID_CLIENT_ID": CLIENT_ID,
            "MINIO_IDENTITY_OPENID_CLAIM_NAME": "roles",
        }
        with run_minio(str(program), folder, **variables) as server:
            create_buckets(server.settings, 60)
            create_role_policies(server.settings, ROLES)
            yield Minio(server.url, server.pid, issuer)


@pytest.mark.parametrize("value", MAY)
def test_what_each_role_may_do(minio: Minio, value: str) -> None:
    """Every role tries every verb on every kind of object."""
    client = minio.log_in(value)
    allowed = set()
    for key in OBJECTS:
        bucket, _, rest = key.partition("/")
        place = {"Bucket": bucket, "Key": rest}
        prefix = rest if key == STOP else rest.rpartition("/")[0] + "/"
        calls: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
            "put": (client.put_object, place | {"Body": b"x"}),
            "get": (client.get_object, place),
            "list": (client.list_objects_v2, {"Bucket": bucket, "Prefix": prefix}),
            "delete": (client.delete_object, place),
        }
        for verb, (request, options) in calls.items():
            if is_allowed(request, **options):
                allowed.add((verb, key))
    assert allowed == MAY[value]


@pytest.mark.parametrize("values", [(), ("tutor",), ("unknown",), ("platform-train",)])
def test_people_without_a_role(minio: Minio, values: tuple[str, ...]) -> None:
    """Who has no role with rights in MinIO gets no keys."""
    with pytest.raises(ClientError, match="None of the given policies"):
        minio.log_in(*values)


def test_names_of_minios_own_policies_give_nothing(minio: Minio) -> None:
    """A person whose claim has `consoleAdmin` for another purpose has no rights by it."""
    client = minio.log_in(*BUILT_IN)
    assert not is_allowed(client.get_object, Bucket="reports", Key="x")
    assert not is_allowed(client.put_object, Bucket="bronze", Key="x", Body=b"")
    client = minio.log_in(*BUILT_IN, "viewer")
    assert is_allowed(client.get_object, Bucket="reports", Key="x")


def test_forged_tokens(minio: Minio) -> None:
    """A token is refused for each of its faults; MinIO checks the issuer by its keys only."""
    forged = minio.issuer.forge("admin")
    del forged["another issuer"], forged["no token"]
    for fault, token in forged.items():
        with pytest.raises(ClientError):
            minio.exchange(token)
            pytest.fail(f"accepted: {fault}")


def test_refusals_are_logged(program: Path, tmp_path: Path) -> None:
    """MinIO's events reach the program that logs them: of wrong keys, and of a wrong token."""
    logged, data = tmp_path / "logged", tmp_path / "minio"
    logged.mkdir()
    data.mkdir()
    with run_audit_log(logged) as url:
        variables = {
            "MINIO_AUDIT_WEBHOOK_ENABLE_refusals": "on",
            "MINIO_AUDIT_WEBHOOK_ENDPOINT_refusals": url,
            "MINIO_AUDIT_WEBHOOK_QUEUE_SIZE_refusals": "1000",
            "MINIO_AUDIT_WEBHOOK_BATCH_SIZE_refusals": "100",
        }
        with run_minio(str(program), data, **variables) as server:
            create_buckets(server.settings, 60)
            keys = {"aws_access_key_id": "thief", "aws_secret_access_key": SECRET}
            client = make_client("s3", server.settings, **keys)
            with pytest.raises(ClientError, match="InvalidAccessKeyId"):
                client.get_object(Bucket="bronze", Key="raw.csv")
            with pytest.raises(ClientError):
                exchange_token(server.settings, SECRET)
            wait_for("lines of both", lambda: len(read_lines(logged)) >= 2, timeout_seconds=60)
    refused, exchange = read_lines(logged)
    names = {"access_key": "thief", "api": "GetObject", "bucket": "bronze", "object": "raw.csv"}
    assert refused.items() >= {"status": 403, **names}.items()
    assert exchange["api"].startswith("AssumeRole")
    assert SECRET not in (logged / "log").read_text()


def test_keys_end_soon(minio: Minio) -> None:
    """Keys are valid as long as the token, or for half a day at most."""
    minio.exchange(minio.issuer.sign("admin"), DurationSeconds=12 * 3600)
    for value in ("viewer", "admin"):
        with pytest.raises(ClientError, match="not have enough permission"):
            minio.exchange(minio.issuer.sign(value), DurationSeconds=12 * 3600 + 1)


def test_nobody_creates_keys_for_later(minio: Minio) -> None:
    """A person could use such keys when the role is gone."""
    keys = minio.exchange(minio.issuer.sign("operator"))
    provider = StaticProvider(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    admin = MinioAdmin(
        endpoint=minio.url.removeprefix("http://"), credentials=provider, secure=False
    )
    with pytest.raises(MinioAdminException, match="AccessDenied"):
        admin.add_service_account(access_key="my-own-keys", secret_key="my-own-secret")


def test_changed_roles(minio: Minio, capsys: pytest.CaptureFixture[str]) -> None:
    """A value that gives no role any more loses its policy at once, also for keys in use."""
    create_role_policies(minio.settings, {"viewer": ["guests"]})
    client = minio.log_in("guests")
    report = {"Bucket": "reports", "Key": "x"}
    assert is_allowed(client.get_object, **report)
    try:
        capsys.readouterr()
        create_role_policies(minio.settings, {})
        output = capsys.readouterr().err
        assert "policy guests deleted, which is no longer in use" in output
        assert not is_allowed(client.get_object, **report)
    finally:
        create_role_policies(minio.settings, ROLES)
