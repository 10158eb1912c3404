"""Delete a file in the lake's inbox once its rows are in bronze without personal data.

Later runs with the same source then read the rows in bronze, until a new file of that name is
uploaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import DataError
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import Lake
from pipeline.storage.layout import BRONZE_INBOX, bronze_from_inbox, inbox_file

UPLOAD_AGAIN = "upload it again"


@dataclass(frozen=True)
class InboxFile:
    """A file in the inbox.

    Attributes:
        name: Its name in the inbox.
        versions: Its stored versions, newest first.
    """

    name: str
    versions: list[str]

    @property
    def key(self) -> str:
        """Its key in the lake."""
        return inbox_file(self.name)


def find_inbox_file(lake: Lake, source: str) -> InboxFile | None:
    """Return the file in the inbox that a source names; None if the source is none."""
    inbox = f"{lake.url(BRONZE_INBOX)}/"
    name = source.removeprefix(inbox)
    if name in (source, ""):
        return None
    return InboxFile(name, lake.versions(inbox_file(name)))


def read_earlier_pointer(lake: Lake, file: InboxFile, key: str) -> BronzePointer | None:
    """Find the rows in bronze of a file that was deleted.

    Args:
        lake: The lake.
        file: The file.
        key: Header of the key in the columns file; empty if there is none.

    Returns:
        The pointer to its rows; None if the file is still there, or was never deleted by `ingest`.

    Raises:
        DataError: If the columns file has another key now: bronze may have its raw values.
    """
    record = bronze_from_inbox(file.name)
    if lake.exists(file.key) or not lake.exists(record):
        return None
    pointer = lake.read_model(record, BronzePointer)
    if key and key != pointer.key:
        before = f"the key was '{pointer.key}'" if pointer.key else "there was no key"
        raise DataError(
            f"the columns file has the key '{key}', but {before} when {lake.url(file.key)} was "
            f"stored and deleted; {UPLOAD_AGAIN}"
        )
    return pointer


def delete_inbox_file(lake: Lake, file: InboxFile, pointer: BronzePointer) -> None:
    """Delete the versions of a file that were there before it was read.

    Args:
        lake: The lake.
        file: The file, from before it was read: a version that was uploaded later stays.
        pointer: The pointer to its rows in bronze, for later runs.

    Raises:
        LakeError: If a version cannot be deleted. The newest one is then still there.
    """
    lake.write_model(bronze_from_inbox(file.name), pointer)
    for version in reversed(file.versions):  # an older version must not become the current one
        lake.erase(file.key, version)
