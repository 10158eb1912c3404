"""Replace the key of a person by a pseudonym before anything is stored.

A pseudonym is an HMAC of the key (RFC 2104, with SHA-256). Without the secret nobody can compute
it from a list of possible keys, as one can with a plain hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from pipeline.column_file.blanks import is_blank
from pipeline.errors import LakeError, SettingsError
from pipeline.settings import Settings
from pipeline.storage.disk import DiskStore

PSEUDONYM_LENGTH = 32
"""Hexadecimal digits: with 128 bits, a billion keys have a common pseudonym with a probability of
2e-21."""
SECRET_FILE = "key_secret"  # noqa: S105 - the name of a file
"""Name of the file with the generated secret, next to the lake on disk."""
SECRET_BYTES = 32


class Pseudonyms:
    """The pseudonyms that one secret gives."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def make(self, key: str) -> str:
        """Return the pseudonym of a key.

        Args:
            key: The key; spaces around it do not count.

        Returns:
            PSEUDONYM_LENGTH hexadecimal digits; empty for a blank key.
        """
        key = key.strip()
        if is_blank(key):
            return ""
        digest = hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()
        return digest[:PSEUDONYM_LENGTH]

    def make_erased_id(self, key: str) -> str:
        """Return an identifier of an erased person.

        It is no pseudonym: without the secret it cannot be related to the person's key or rows.

        Args:
            key: The key; spaces around it do not count.
        """
        return self.sign(b"\0erased " + key.strip().encode())[:PSEUDONYM_LENGTH]

    def sign(self, data: bytes) -> str:
        """Return an HMAC of data, which nobody can make without the secret."""
        return hmac.new(self._secret, b"\0signature " + data, hashlib.sha256).hexdigest()

    @property
    def secret_id(self) -> str:
        """An identifier of the secret, by which a changed secret is noticed."""
        return hmac.new(self._secret, b"\0secret id", hashlib.sha256).hexdigest()[:16]


def find_pseudonyms(settings: Settings) -> Pseudonyms | None:
    """Read the secret as `open_pseudonyms` does, but create none.

    Args:
        settings: All settings.

    Returns:
        The pseudonyms; None if there is no secret.

    Raises:
        LakeError: If the file cannot be read.
    """
    if secret := settings.ingest.key_secret.get_secret_value():
        return Pseudonyms(secret)
    folder = settings.lake.folder
    stored = DiskStore(folder.parent).read(SECRET_FILE) if folder else None
    return None if stored is None else Pseudonyms(stored.decode().strip())


def open_pseudonyms(settings: Settings) -> Pseudonyms:
    """Read the secret of the settings, or the one next to a lake on disk.

    The first call creates the latter, readable only for its owner.

    Args:
        settings: All settings.

    Raises:
        SettingsError: If the lake is on S3 and the settings have no secret, or the file cannot be
            read or written.
    """
    folder = settings.lake.folder
    if folder is None:
        if found := find_pseudonyms(settings):
            return found
        raise SettingsError(
            "MLOPS_INGEST__KEY_SECRET is not set, but the columns file has a `key`, whose values "
            "must not be stored. Set it to a random text, and keep it: with another secret, "
            "persons are not recognised in earlier data"
        )
    store = DiskStore(folder.parent)
    try:
        found = find_pseudonyms(settings)
        if found is None:
            store.create(SECRET_FILE, secrets.token_hex(SECRET_BYTES).encode())
            found = find_pseudonyms(settings)  # a parallel run may have been first
    except LakeError as error:
        cause = error.__cause__
        raise SettingsError(
            f"the secret for the pseudonyms in {store.url(SECRET_FILE)} cannot be read or created: "
            f"{getattr(cause, 'strerror', cause)}. Repair the file, or set MLOPS_INGEST__KEY_SECRET"
        ) from None
    assert found is not None
    return found
