"""A person, as the lake knows them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.columns import ROLES
from pipeline.data.pseudonyms import Pseudonyms
from pipeline.errors import SettingsError


@dataclass(frozen=True)
class Person:
    """A person.

    Attributes:
        key: The key, which only uploaded files have.
        pseudonym: What bronze, silver and gold have in its place.
        erased_id: Identifier in the tombstone.
        header: Header of the key in raw files.
        column: Name of the key in silver and gold.
    """

    key: str
    pseudonym: str
    erased_id: str
    header: str
    column: str


def find_person(key: str, pseudonyms: Pseudonyms) -> Person:
    """Return the person with a key.

    Args:
        key: The key, as in the uploaded files.
        pseudonyms: The pseudonyms of the release.

    Raises:
        SettingsError: If the key is blank, or the columns file has none.
    """
    if ROLES.key is None:
        raise SettingsError(
            "the columns file has no `key`, so persons cannot be found. Upload a file without "
            "their rows and train again; then let `retain` delete the former versions and what "
            "they were made from (MLOPS_RETENTION__VERSIONS=1 MLOPS_RETENTION__RUN_DAYS=1)"
        )
    pseudonym = pseudonyms.make(key)
    if not pseudonym:
        raise SettingsError("the key is blank; give the person's key as in the uploaded files")
    erased_id = pseudonyms.make_erased_id(key)
    return Person(key.strip(), pseudonym, erased_id, ROLES.key.raw, ROLES.key.name)
