"""What is left of an erased person: signed tombstones, without rows and without a name.

A tombstone of an object has its hash before and after. The lake accepts the new hash in place of
the recorded one, so the lineage of models and answers still verifies. A tombstone of a person has
what was erased, and lets `ingest` leave out the person's rows.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field

from pipeline.data.pseudonyms import Pseudonyms
from pipeline.errors import LakeError
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import ERASED, erased_hash, erased_model, erased_person

SIGNATURE = "signature"


class Tombstone(Artifact):
    """A signed statement about an erasure.

    Attributes:
        erased_at: When the rows were erased, ISO 8601.
        signature: HMAC of the other fields and of the key of the tombstone.
    """

    erased_at: str
    signature: str = ""


class ObjectTombstone(Tombstone):
    """An object from which rows were removed.

    Attributes:
        key: Its key.
        before: SHA-256 with the rows.
        after: SHA-256 without them.
    """

    key: str
    before: str
    after: str


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


def write_object(lake: Lake, pseudonyms: Pseudonyms, tombstone: ObjectTombstone) -> None:
    """Sign and write the tombstone of an object, once."""
    key = erased_hash(tombstone.before, tombstone.after)
    lake.create(key, _sign(pseudonyms, key, tombstone).to_bytes())


def write_person(
    lake: Lake, pseudonyms: Pseudonyms, erased_id: str, tombstone: PersonTombstone
) -> PersonTombstone:
    """Sign and write the tombstone of a person; one of an interrupted erasure is extended.

    Returns:
        The tombstone that is stored now.
    """
    key = erased_person(erased_id)
    if lake.exists(key):
        known = lake.read_model(key, PersonTombstone)
        tombstone = PersonTombstone(
            erased_at=known.erased_at,
            training_runs=sorted({*known.training_runs, *tombstone.training_runs}),
            models=sorted({*known.models, *tombstone.models}),
            bundles=sorted({*known.bundles, *tombstone.bundles}),
        )
    signed = _sign(pseudonyms, key, tombstone)
    lake.write_model(key, signed)
    return signed


def write_model(
    lake: Lake, pseudonyms: Pseudonyms, mlflow_run_id: str, tombstone: ModelTombstone
) -> None:
    """Sign and write the mark of a model, once."""
    key = erased_model(mlflow_run_id)
    lake.create(key, _sign(pseudonyms, key, tombstone).to_bytes())


def verify_tombstones(lake: Lake, pseudonyms: Pseudonyms) -> int:
    """Check the signature of every tombstone.

    Args:
        lake: The lake.
        pseudonyms: The secret of the release.

    Returns:
        The number of tombstones.

    Raises:
        LakeError: If one was changed, or was not made with this secret.
    """
    keys = lake.keys(ERASED)
    for key in keys:
        kind = _KINDS[key.removeprefix(ERASED).partition("/")[0]]
        tombstone = lake.read_model(key, kind)
        if _sign(pseudonyms, key, tombstone) != tombstone:
            raise LakeError(
                f"{lake.url(key)} was changed, or was not made with the secret of the pseudonyms "
                "(MLOPS_INGEST__KEY_SECRET). Restore it from a backup"
            )
    return len(keys)


def _sign(pseudonyms: Pseudonyms, key: str, tombstone: TombstoneT) -> TombstoneT:
    unsigned = tombstone.model_copy(update={SIGNATURE: ""})
    signature = pseudonyms.sign(key.encode() + b"\n" + unsigned.to_bytes())
    return tombstone.model_copy(update={SIGNATURE: signature})
