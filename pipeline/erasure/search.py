"""Find what is held of a person: rows in every version of every object, and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.erasure.person import Person
from pipeline.erasure.rows import Filtered, Row, filter_csv, filter_live, filter_table, get_features
from pipeline.storage import layout
from pipeline.storage.lake import Lake
from pipeline.storage.versions import StoredVersion

Filter = Callable[[bytes], Filtered]
_LAYERS = (layout.GOLD, layout.SILVER, layout.BRONZE)
"""In the order in which rows are erased. Live traffic is erased before them, because it is found by
the rows in gold and silver. No report has keys or pseudonyms."""


@dataclass(frozen=True)
class Held:
    """A version of an object with rows of a person.

    Attributes:
        version: The version.
        rows: The rows, by the names of their columns.
    """

    version: StoredVersion
    rows: list[dict[str, object]]


@dataclass
class Findings:
    """What is held of a person.

    Attributes:
        held: Versions of objects with rows, in the order in which they are erased.
        training_runs: Pipeline runs whose training rows have rows of the person.
        features: The features of the person's rows.
    """

    held: list[Held] = field(default_factory=list)
    training_runs: set[str] = field(default_factory=set)
    features: set[Row] = field(default_factory=set)


def search(lake: Lake, person: Person) -> Findings:
    """Search every version of every object for rows of a person.

    Live traffic has no keys: the rows with the same features as a row of the person count.

    Args:
        lake: The lake.
        person: The person.

    Raises:
        LakeError: If the lake cannot be read.
    """
    findings = Findings()
    rows = list(_search_rows(lake, person))
    for held in rows:
        folder, _, name = held.version.key.removeprefix(layout.GOLD_PREFIX).partition("/")
        if held.version.key.startswith((layout.GOLD_PREFIX, layout.SILVER + "/")):
            findings.features |= {get_features(row) for row in held.rows if person.column in row}
        is_training = name.split("/")[0].removesuffix(".parquet") in layout.TRAINING_SPLITS
        if held.version.key.startswith(layout.GOLD_PREFIX) and is_training:
            findings.training_runs.add(folder)
    findings.held = [*_search_live(lake, findings.features), *rows]
    return findings


def find_filter(key: str, person: Person, features: set[Row]) -> Filter | None:
    """Return the function that removes a person's rows from an object; None if it has no rows.

    Args:
        key: Key of the object.
        person: The person.
        features: The features of the person's rows.
    """
    name = key.rpartition("/")[2]
    if key.startswith(layout.SILVER_LIVE):
        return lambda data: filter_live(data, features)
    if key.startswith((layout.BRONZE_INBOX, layout.LISTS_TO_SCORE)):
        return lambda data: filter_csv(data, person.header, lambda key: key.strip() == person.key)
    is_raw = key == layout.bronze_file(name.removesuffix(".csv"))
    if is_raw or (layout.find_run(key) and name.endswith(".csv")):
        return lambda data: filter_csv(data, person.header, lambda key: key == person.pseudonym)
    if layout.find_run(key) and name.endswith(".parquet"):
        return lambda data: filter_table(data, person.column, person.pseudonym)
    return None


def _search_rows(lake: Lake, person: Person) -> Iterator[Held]:
    """Yield the objects with keys or pseudonyms of the person."""
    for layer in _LAYERS:
        for version in lake.all_versions(f"{layer}/"):
            if not version.key.startswith(layout.SILVER_LIVE):
                yield from _examine(lake, version, find_filter(version.key, person, set()))


def _search_live(lake: Lake, features: set[Row]) -> Iterator[Held]:
    if features:
        for version in lake.all_versions(layout.SILVER_LIVE):
            yield from _examine(lake, version, lambda data: filter_live(data, features))


def _examine(lake: Lake, version: StoredVersion, remove: Filter | None) -> Iterator[Held]:
    """Yield a version if it has rows of the person."""
    if remove is None or version.is_marker:
        return
    data = lake.read_version(version.key, version.version)
    found = remove(data) if data else None
    if found and found.removed:
        yield Held(version, found.rows)
