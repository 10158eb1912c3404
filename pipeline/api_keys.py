"""API keys of programs and people that call the predictor, and the file that holds their hashes.

The file has a JSON object per line. A key is 32 random bytes, so its SHA-256 is safe to store: a
slow hash such as bcrypt protects passwords, which can be guessed, and 256 random bits cannot.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import SettingsError, describe_first

KEY_PREFIX = "smk_"
"""First characters of each key, by which scanners for secrets can find one."""
KEY_BYTES = 32
NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,62}"
"""Names are labels of metrics and parts of a cookie."""
PLATFORM = "platform"
"""Name of the key in MLOPS_PREDICTOR__API_KEY, which the platform's own stages send."""


def _refuse_reserved(name: str) -> str:
    if name == PLATFORM:
        raise ValueError(f"{PLATFORM} is the name of MLOPS_PREDICTOR__API_KEY; choose another one")
    return name


class ApiKey(BaseModel):
    """A line of the file. All dates are UTC.

    Attributes:
        name: Who sends the key. Two keys have the same name while one replaces the other.
        sha256: SHA-256 of the key.
        created: Day on which it was made.
        expires: First day on which it is refused; None for never.
        revoked: Day on which it was revoked; None if it was not.
        requests_per_minute: Most requests per minute, for each predictor process.
        rows_per_minute: Most rows per minute, for each predictor process.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$"), AfterValidator(_refuse_reserved)]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created: date
    expires: date | None = None
    revoked: date | None = None
    requests_per_minute: int | None = Field(default=None, gt=0)
    rows_per_minute: int | None = Field(default=None, gt=0)

    @property
    def expires_at(self) -> float:
        """Time from which the key is refused, in seconds since the epoch; infinity for never."""
        if self.expires is None:
            return float("inf")
        return datetime.combine(self.expires, time(), UTC).timestamp()

    def is_valid(self, day: date) -> bool:
        """Whether the key is accepted on a day."""
        return self.revoked is None and (self.expires is None or day < self.expires)


def hash_key(key: bytes) -> bytes:
    """Return the hash by which a key is found."""
    return hashlib.sha256(key).digest()


def generate_key() -> str:
    """Return a new random key."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def today() -> date:
    """Return the current day in UTC."""
    return datetime.now(UTC).date()


def parse_keys(text: str, source: str) -> list[ApiKey]:
    """Parse the content of a keys file.

    Args:
        text: The content. Empty lines are ignored.
        source: Name of the file, for the message.

    Returns:
        The keys in the order of their lines.

    Raises:
        SettingsError: If a line is not a key, or two lines have the same hash.
    """
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            key = ApiKey.model_validate_json(line)
        except ValidationError as error:
            problem = describe_first(error, "the line")
            raise SettingsError(
                f"{source}, line {number}: {problem}. `python -m pipeline keys` writes such lines"
            ) from None
        if key.sha256 in keys:
            raise SettingsError(f"{source}, line {number}: the key of an earlier line; remove one")
        keys[key.sha256] = key
    return list(keys.values())


def read_keys(path: Path) -> list[ApiKey]:
    """Read a keys file.

    Raises:
        SettingsError: If the file cannot be read, or a line is not a key.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"The keys file {path} cannot be read: {reason}") from None
    return parse_keys(text, str(path))


def write_keys(path: Path, keys: Sequence[ApiKey]) -> None:
    """Replace a keys file in one step; only its owner can read the new one.

    Raises:
        SettingsError: If the folder cannot be written.
    """
    lines = "".join(f"{key.model_dump_json(exclude_none=True)}\n" for key in keys)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(lines)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error


def add_key(
    keys: Sequence[ApiKey],
    name: str,
    *,
    expires: date | None = None,
    requests_per_minute: int | None = None,
    rows_per_minute: int | None = None,
) -> tuple[str, list[ApiKey]]:
    """Make a key.

    Args:
        keys: The keys so far.
        name: Its name.
        expires: First day on which it is refused; None for never.
        requests_per_minute: Its limit on requests; None for none.
        rows_per_minute: Its limit on rows; None for none.

    Returns:
        The key, which is stored nowhere, and the keys with its hash.

    Raises:
        SettingsError: If the name is taken or malformed, or a value is invalid.
    """
    if any(key.name == name for key in keys):
        raise SettingsError(
            f"There is a key {name!r} already. Choose another name, or replace the key with "
            f"`python -m pipeline keys rotate {name} FILE`"
        )
    if expires is not None and expires <= today():
        raise SettingsError(f"The key would expire on {expires}, which is not in the future")
    return _make(
        keys,
        name=name,
        expires=expires,
        requests_per_minute=requests_per_minute,
        rows_per_minute=rows_per_minute,
    )


def rotate_key(
    keys: Sequence[ApiKey], name: str, *, overlap_days: int, expires: date | None = None
) -> tuple[str, list[ApiKey]]:
    """Make a second key with the name and the limits of a key, which expires soon.

    Args:
        keys: The keys so far.
        name: Name of the key to replace.
        overlap_days: Days for which both keys are accepted, this one not counted.
        expires: First day on which the new key is refused; None for never.

    Returns:
        The new key and the keys with its hash.

    Raises:
        SettingsError: If no valid key has the name.
    """
    valid = _find_valid(keys, name)
    last_day = today() + timedelta(days=overlap_days + 1)
    changed = [
        key.model_copy(update={"expires": min(last_day, key.expires or last_day)})
        if key in valid
        else key
        for key in keys
    ]
    limits = valid[-1].model_dump(include={"requests_per_minute", "rows_per_minute"})
    return _make(changed, name=name, expires=expires, **limits)


def revoke_keys(keys: Sequence[ApiKey], name: str) -> list[ApiKey]:
    """Revoke every key of a name. The lines stay, so that `keys list` shows them.

    Raises:
        SettingsError: If no valid key has the name.
    """
    valid = _find_valid(keys, name)
    return [key.model_copy(update={"revoked": today()}) if key in valid else key for key in keys]


def _find_valid(keys: Sequence[ApiKey], name: str) -> list[ApiKey]:
    valid = [key for key in keys if key.name == name and key.is_valid(today())]
    if not valid:
        known = ", ".join(dict.fromkeys(key.name for key in keys if key.is_valid(today())))
        raise SettingsError(f"No valid key is called {name!r}. Valid keys: {known or 'none'}")
    return valid


def _make(keys: Sequence[ApiKey], **fields: object) -> tuple[str, list[ApiKey]]:
    key = generate_key()
    line = {"sha256": hash_key(key.encode()).hex(), "created": today(), **fields}
    try:
        return key, [*keys, ApiKey.model_validate(line)]
    except ValidationError as error:
        raise SettingsError(describe_first(error, "the key")) from None
