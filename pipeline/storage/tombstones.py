"""What is left of erased rows: signed statements, without rows and without a name.

A tombstone of an object has its hash before and after. The lake accepts the new hash in place of
the recorded one, so the lineage of models and answers still verifies.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from pipeline.errors import LakeError, describe_first
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import ERASED, erased_hash, erased_hash_of_any_object, erased_hashes

Sign = Callable[[bytes], str]
"""Makes the signature of bytes: an HMAC that nobody can make without the release's secret."""
SIGNATURE = "signature"
_HEX = r"^[0-9a-f]{64}$"


def _check_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class Tombstone(Artifact):
    """A signed statement about an erasure.

    Attributes:
        erased_at: When the rows were erased, ISO 8601.
        signature: HMAC of the other fields and of the key of the tombstone.
    """

    erased_at: Annotated[str, AfterValidator(_check_time)]
    signature: str = Field(default="", pattern=_HEX)

    @property
    def day(self) -> str:
        """The day on which the rows were erased (UTC)."""
        return self.erased_at[:10]


class ObjectTombstone(Tombstone):
    """An object from which rows were removed.

    Attributes:
        key: Its key.
        before: SHA-256 with the rows.
        after: SHA-256 without them.
    """

    key: str
    before: str = Field(pattern=_HEX)
    after: str = Field(pattern=_HEX)


class PersonTombstone(Tombstone):
    """A person whose rows were removed.

    Attributes:
        training_runs: Pipeline runs whose training rows had rows of the person.
        models: MLflow runs of the registered models that were trained on them.
        bundles: Those among them whose bundle has rows of the person. It is kept here because the
            rows by which they are found are erased, and a bundle in use is not.
    """

    training_runs: list[str]
    models: list[str]
    bundles: list[str] = Field(default_factory=list, exclude_if=lambda runs: not runs)


class ModelTombstone(Tombstone):
    """A registered model that was trained on rows of an erased person, and must be retrained.

    Attributes:
        version: Its version.
    """

    version: str


TombstoneT = TypeVar("TombstoneT", bound=Tombstone)
_KINDS: dict[str, type[Tombstone]] = {
    "hashes": ObjectTombstone,
    "persons": PersonTombstone,
    "models": ModelTombstone,
}
"""Folder below layout.ERASED -> kind of the tombstones there."""


def sign_tombstone(sign: Sign, key: str, tombstone: TombstoneT) -> TombstoneT:
    """Return a tombstone with its signature.

    Args:
        sign: Makes signatures.
        key: Key at which the tombstone is stored, which is signed too.
        tombstone: The tombstone.
    """
    unsigned = tombstone.model_copy(update={SIGNATURE: ""})
    signature = sign(key.encode() + b"\n" + unsigned.to_bytes())
    return tombstone.model_copy(update={SIGNATURE: signature})


def read_tombstone(lake: Lake, key: str, sign: Sign | None) -> Tombstone:
    """Read a tombstone and check it.

    Args:
        lake: The lake.
        key: Key of the tombstone.
        sign: Makes signatures; None if this process has no secret, so that only the form, the
            place and the presence of a signature are checked.

    Raises:
        LakeError: If it is not a tombstone, is stored at a key of another tombstone, or has a wrong
            signature.
    """
    kind = _KINDS.get(key.removeprefix(ERASED).partition("/")[0], Tombstone)
    try:
        tombstone = kind.model_validate_json(lake.read(key))
    except ValidationError as error:
        raise _refuse(lake, key, describe_first(error, "the document")) from None
    if isinstance(tombstone, ObjectTombstone) and key not in (
        erased_hash(tombstone.before, tombstone.after, tombstone.key),
        erased_hash_of_any_object(tombstone.before, tombstone.after),
    ):
        raise _refuse(lake, key, f"it belongs to {tombstone.key}")
    if sign is not None and sign_tombstone(sign, key, tombstone) != tombstone:
        raise _refuse(lake, key, "it was changed, or signed with another MLOPS_INGEST__KEY_SECRET")
    return tombstone


def _refuse(lake: Lake, key: str, problem: str) -> LakeError:
    return LakeError(
        f"{lake.url(key)} is not a valid tombstone of erased rows: {problem}. Find out who wrote "
        "it, and restore it from a backup"
    )


def find_erased_hashes(lake: Lake, key: str, before: str, sign: Sign | None) -> set[str]:
    """Return the hashes that an object may have instead of one, because rows were erased.

    Args:
        lake: The lake.
        key: Key of the object.
        before: A hash of the object.
        sign: See `read_tombstone`.

    Raises:
        LakeError: If a tombstone at the place of such a hash is not valid.
    """
    found = set()
    for place in lake.keys(erased_hashes(before)):
        tombstone = read_tombstone(lake, place, sign)
        assert isinstance(tombstone, ObjectTombstone)
        is_of_any = place == erased_hash_of_any_object(before, tombstone.after)
        if is_of_any or tombstone.key == key:
            found.add(tombstone.after)
    return found
