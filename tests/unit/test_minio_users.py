"""MinIO's users, against a server that stores the requests to its administration API."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from minio.crypto import decrypt, encrypt
from urllib3 import HTTPResponse

from pipeline.commands.buckets import create_role_policies, create_users
from pipeline.commands.policies import make_policies
from pipeline.errors import LakeError, SettingsError
from pipeline.settings.connections import LakeSettings
from pipeline.stages import get_identities
from pipeline.storage.minio_roles import BUILT_IN
from pipeline.storage.minio_users import read_identities
from tests.support.http_server import Request, Response, serve

PASSWORD = "the-password-of-the-administrator"
POLICIES = make_policies("school")


class FakeMinio:
    """The users and policies of a MinIO."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, str]] = {}
        self.policies: dict[str, object] = {}
        self.status = 200

    def handle(self, request: Request) -> Response:
        """Respond as the administration API does; keys and lists are encrypted."""
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        command = url.path.removeprefix("/minio/admin/v3/")
        if self.status != 200:
            return Response(self.status, "refused")
        if command == "add-canned-policy":
            self.policies[query["name"]] = json.loads(request.body)
        elif command == "remove-canned-policy":
            del self.policies[query["name"]]
        elif command == "list-canned-policies":
            return Response(200, self.policies)
        elif command == "add-user":
            body = HTTPResponse(io.BytesIO(request.body), preload_content=False)
            user = json.loads(decrypt(body, PASSWORD))
            self.users[query["accessKey"]] = {"secret": user["secretKey"], "policyName": ""}
        elif command == "set-user-or-group-policy":
            self.users[query["userOrGroup"]]["policyName"] = query["policyName"]
        elif command == "list-users":
            return Response(200, encrypt(json.dumps(self.users).encode(), PASSWORD))
        else:
            assert (command, request.method) == ("remove-user", "DELETE"), request
            del self.users[query["accessKey"]]
        return Response(200, "")


@pytest.fixture
def minio() -> FakeMinio:
    return FakeMinio()


@pytest.fixture
def settings(minio: FakeMinio, monkeypatch: pytest.MonkeyPatch) -> Iterator[LakeSettings]:
    """The lake of a MinIO whose administrator's keys are in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "administrator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    with serve(minio.handle) as url:
        yield LakeSettings(url="s3://school", endpoint=url)


def write_keys(folder: Path, **keys: tuple[str, str]) -> Path:
    """Write the keys of identities as Kubernetes mounts them: in a hidden folder, with links."""
    for name, (access_key, secret_key) in keys.items():
        own = folder / "..data" / name
        own.mkdir(parents=True, exist_ok=True)
        (own / "AWS_ACCESS_KEY_ID").write_text(access_key)
        (own / "AWS_SECRET_ACCESS_KEY").write_text(f"{secret_key}\n")
        if not (folder / name).exists():
            (folder / name).symlink_to(own)
    return folder


def test_a_user_per_identity(minio: FakeMinio, settings: LakeSettings, tmp_path: Path) -> None:
    """Each identity becomes a user with its key, and with the policy of its access."""
    keys = write_keys(tmp_path, train=("train", "first-key"), predictor=("p", "second-key"))
    create_users(settings, keys, ["exports/*"])
    assert minio.users == {
        "train": {"secret": "first-key", "policyName": "platform-train"},
        "p": {"secret": "second-key", "policyName": "platform-predictor"},
    }
    assert minio.policies == {
        "platform-train": POLICIES["train"],
        "platform-predictor": POLICIES["predictor"],
    }


def test_changed_keys(minio: FakeMinio, settings: LakeSettings, tmp_path: Path) -> None:
    """A changed key replaces the old one; a user that no identity has any more is deleted."""
    write_keys(tmp_path, train=("train", "old"), test=("test-1", "key"))
    create_users(settings, tmp_path, [])
    minio.users["somebody"] = {"secret": "x", "policyName": "readonly"}
    write_keys(tmp_path, train=("train", "new"), test=("test-2", "key"))
    create_users(settings, tmp_path, [])
    secrets = {name: user["secret"] for name, user in minio.users.items()}
    assert secrets == {"train": "new", "test-2": "key", "somebody": "x"}


def test_changed_roles(
    minio: FakeMinio, settings: LakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that gives no role any more loses its policy; those of other people stay."""
    minio.policies["of-the-school"] = {"Statement": [{"Effect": "Allow", "Action": ["s3:*"]}]}
    create_role_policies(settings, {"viewer": ["staff", "guests"], "tutor": ["teachers"]})
    assert minio.policies.keys() == {"of-the-school", *BUILT_IN, "staff", "guests"}
    create_role_policies(settings, {"viewer": ["staff"]})
    assert "policy guests deleted, which is no longer in use" in capsys.readouterr().err
    create_role_policies(settings, {})
    assert minio.policies.keys() == {"of-the-school"}


def test_a_refusal(minio: FakeMinio, settings: LakeSettings, tmp_path: Path) -> None:
    """The error names the service and the keys to check."""
    minio.status = 403
    write_keys(tmp_path, train=("train", "key"))
    with pytest.raises(LakeError, match=rf"users of {settings.endpoint} could not.*administrator"):
        create_users(settings, tmp_path, [])


def test_an_unknown_identity_is_refused(tmp_path: Path) -> None:
    """A folder of an identity that this release does not have is an error."""
    write_keys(tmp_path, trian=("a", "b"))
    with pytest.raises(SettingsError, match="trian belongs to no identity; there are ingest, "):
        read_identities(tmp_path, POLICIES)


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    write_keys(tmp_path, train=("a", "b"))
    (tmp_path / "train" / "AWS_SECRET_ACCESS_KEY").unlink()
    with pytest.raises(SettingsError, match="train/AWS_SECRET_ACCESS_KEY cannot be read: No such"):
        read_identities(tmp_path, POLICIES)


def test_every_identity_has_a_policy() -> None:
    """The Job and the command `policies` know all identities."""
    assert POLICIES.keys() == get_identities().keys()
