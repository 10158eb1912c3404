"""The identities as users of MinIO, each with the policy of its access."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import LakeError, SettingsError
from pipeline.settings.connections import LakeSettings

POLICY_PREFIX = "platform-"
"""Policies with this prefix, and the users that have one, belong to the platform."""
KEY_FILES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Identity:
    """An identity with its keys and its policy."""

    name: str
    access_key: str
    secret_key: str
    policy: Mapping[str, Any]


def read_identities(folder: Path, policies: Mapping[str, Mapping[str, Any]]) -> list[Identity]:
    """Read the keys of the identities from files.

    Args:
        folder: Contains a folder per identity, with the files AWS_ACCESS_KEY_ID and
            AWS_SECRET_ACCESS_KEY.
        policies: The policy of each identity.

    Returns:
        The identities that have a folder.

    Raises:
        SettingsError: If a folder belongs to no identity, or lacks a key.
    """
    identities = []
    try:
        # Kubernetes stores the files of a volume in hidden folders, to which the others are links.
        folders = (path for path in folder.iterdir() if not path.name.startswith("."))
        for path in sorted(path for path in folders if path.is_dir()):
            if path.name not in policies:
                raise SettingsError(
                    f"{path} belongs to no identity; there are {', '.join(policies)}. Use the "
                    "chart and the image of the same release"
                )
            access_key, secret_key = ((path / file).read_text().strip() for file in KEY_FILES)
            identities.append(Identity(path.name, access_key, secret_key, policies[path.name]))
    except OSError as error:
        raise SettingsError(
            f"{error.filename} cannot be read: {error.strerror}. Each identity needs the files "
            f"{' and '.join(KEY_FILES)}"
        ) from error
    return identities


def write_users(settings: LakeSettings, identities: list[Identity]) -> list[str]:
    """Create a user per identity, or give it its current key and policy.

    Users of the platform that belong to none of the identities are deleted.

    Args:
        settings: The lake, whose endpoint is MinIO. The keys of MinIO's administrator come from
            the standard AWS variables.
        identities: All identities.

    Returns:
        The access keys of the deleted users.

    Raises:
        LakeError: If MinIO does not respond, or refuses.
    """
    with administer(settings) as admin:
        for identity in identities:
            policy = POLICY_PREFIX + identity.name
            admin.policy_add(policy, policy=dict(identity.policy))
            admin.user_add(identity.access_key, identity.secret_key)
            admin.policy_set(policy, user=identity.access_key)
        current = {identity.access_key for identity in identities}
        users: dict[str, dict[str, str]] = json.loads(admin.user_list())
        former = [
            key
            for key, user in users.items()
            if user.get("policyName", "").startswith(POLICY_PREFIX) and key not in current
        ]
        for key in former:
            admin.user_remove(key)
    return former


def read_policies(admin: Any) -> dict[str, dict[str, Any]]:
    """Return all policies of a MinIO by their name; `administer` yields its client."""
    policies: dict[str, dict[str, Any]] = json.loads(admin.policy_list())
    return policies


@contextlib.contextmanager
def administer(settings: LakeSettings) -> Iterator[Any]:
    """Yield a client of MinIO's administration API, a `minio.MinioAdmin`.

    Args:
        settings: The lake, whose endpoint is MinIO. The keys of MinIO's administrator come from
            the standard AWS variables.

    Raises:
        LakeError: If MinIO does not respond, or refuses.
    """
    from minio.credentials.providers import EnvAWSProvider
    from minio.error import MinioAdminException
    from minio.minioadmin import MinioAdmin
    from urllib3.exceptions import HTTPError

    url = urlsplit(settings.endpoint or "")
    try:
        yield MinioAdmin(
            endpoint=url.netloc, credentials=EnvAWSProvider(), secure=url.scheme == "https"
        )
    except (MinioAdminException, HTTPError, ValueError) as error:
        raise LakeError(
            f"the users of {settings.endpoint} could not be written: {error}. Check that "
            "MLOPS_LAKE__ENDPOINT is MinIO and that the AWS keys are its administrator's"
        ) from error
