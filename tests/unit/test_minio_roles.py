"""The roles of people in MinIO, as policies; on a real MinIO where the program is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.commands.buckets import create_buckets, create_role_policies
from pipeline.commands.local_servers import find_free_port
from pipeline.errors import SettingsError
from pipeline.polling import poll_until
from pipeline.settings.connections import LakeSettings
from pipeline.storage import layout
from pipeline.storage.minio_roles import BUILT_IN, make_role_policies
from tests.support.helm import ROOT
from tests.support.issuer import CLIENT_ID, CONFIGURATION, Issuer, run_issuer

ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "root-user", "AWS_SECRET_ACCESS_KEY": "a-long-password"}
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


def test_the_policies() -> None:
    """A value that several roles have gives all of them, and one without rights has no policy."""
    policies = make_role_policies({"viewer": ["staff"], "operator": ["staff", "ops"]}, "school")
    assert policies.keys() == {*BUILT_IN, "staff", "ops"}
    assert policies["staff"] == policies["ops"]
    assert make_role_policies({"tutor": ["tutor"]}, "").keys() == set(BUILT_IN)
    assert make_role_policies({"viewer": []}, "") == {}
    assert make_role_policies({}, "") == {}


@pytest.mark.parametrize("value", ["a,b", "platform-train"])
def test_values_that_cannot_be_policies(value: str) -> None:
    """A comma separates policies, and the identities of stages keep theirs."""
    with pytest.raises(SettingsError, match=f"the claim's value '{value}' cannot be the name"):
        make_role_policies({"viewer": [value]}, "")


def find_minio() -> str | None:
    """Return the program: on PATH, or as the image copies it."""
    copies = sorted((ROOT / "images" / "programs").glob("minio-*"))
    return shutil.which("minio") or (str(copies[-1]) if copies else None)


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


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """A MinIO with the roles, whose administrator's keys are in the environment."""
    program = find_minio()
    if program is None:
        pytest.skip("minio is not installed")
    folder = tmp_path_factory.mktemp("minio")
    with pytest.MonkeyPatch.context() as patch, run_issuer() as issuer:
        for name, value in ADMINISTRATOR.items():
            patch.setenv(name, value)
        with run_minio(program, folder, issuer) as url:
            minio = Minio(url, issuer)
            create_buckets(minio.settings, 60)
            create_role_policies(minio.settings, ROLES)
            yield minio


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


def is_allowed(request: Callable[..., Any], **options: Any) -> bool:
    """Whether MinIO carries a request out, or would if the object existed."""
    try:
        request(**options)
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        assert code in ("AccessDenied", "NoSuchKey"), error
        return code != "AccessDenied"
    return True


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


def test_keys_end_soon(minio: Minio) -> None:
    """Keys are valid as long as the token, or for half a day at most."""
    minio.exchange(minio.issuer.sign("admin"), DurationSeconds=12 * 3600)
    for value in ("viewer", "admin"):
        with pytest.raises(ClientError, match="not have enough permission"):
            minio.exchange(minio.issuer.sign(value), DurationSeconds=12 * 3600 + 1)


def test_nobody_creates_keys_for_later(minio: Minio) -> None:
    """A person could use such keys when the role is gone."""
    from minio.credentials.providers import StaticProvider
    from minio.error import MinioAdminException
    from minio.minioadmin import MinioAdmin

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
