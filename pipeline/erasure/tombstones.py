"""Write and verify what is left of an erased person: signed tombstones; see storage/tombstones.py.

The tombstone of a person has what was erased, and lets `ingest` leave out the person's rows.
"""

from __future__ import annotations

from pipeline.data.pseudonyms import Pseudonyms
from pipeline.storage.lake import Lake
from pipeline.storage.layout import ERASED, erased_hash, erased_model, erased_person
from pipeline.storage.tombstones import (
    ModelTombstone,
    ObjectTombstone,
    PersonTombstone,
    Sign,
    Tombstone,
    read_tombstone,
    sign_tombstone,
)


def write_object(lake: Lake, pseudonyms: Pseudonyms, tombstone: ObjectTombstone) -> None:
    """Sign and write the tombstone of an object, once."""
    key = erased_hash(tombstone.before, tombstone.after, tombstone.key)
    lake.create(key, sign_tombstone(pseudonyms.sign, key, tombstone).to_bytes())


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
    signed = sign_tombstone(pseudonyms.sign, key, tombstone)
    lake.write_model(key, signed)
    return signed


def write_model(
    lake: Lake, pseudonyms: Pseudonyms, mlflow_run_id: str, tombstone: ModelTombstone
) -> None:
    """Sign and write the mark of a model, once."""
    key = erased_model(mlflow_run_id)
    lake.create(key, sign_tombstone(pseudonyms.sign, key, tombstone).to_bytes())


def read_tombstones(lake: Lake, sign: Sign | None) -> list[Tombstone]:
    """Read and check every tombstone.

    Args:
        lake: The lake.
        sign: Makes signatures with the secret of the release; None if this process does not have
            it, so that no signature is checked.

    Raises:
        LakeError: If one was changed, or was not made with this secret.
    """
    return [read_tombstone(lake, key, sign) for key in lake.keys(ERASED)]


def describe_erased(tombstones: list[Tombstone]) -> list[str]:
    """Return a line for each object and each day on which rows of it were erased."""
    erased = {(one.key, one.day) for one in tombstones if isinstance(one, ObjectTombstone)}
    return [f"{key}: rows erased on {day}" for key, day in sorted(erased)]
