"""Documents of `ingest`, `preprocess` and `features`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import SOURCE_CHANGES, gold_split, latest_report_file, silver_rows


class SourceFile(Artifact):
    """One of several files of a source."""

    name: str
    """Its location."""
    sha256: str
    bytes: int


class BronzePointer(Artifact):
    """Raw file that a run ingested."""

    sha256: str
    """SHA-256 of the file as it is stored."""
    source_sha256: str = ""
    """SHA-256 of the file as it was fetched; empty in documents of earlier releases."""
    dropped: list[str] = Field(default_factory=list)
    """Headers of the columns that were not stored."""
    key: str = ""
    """Header of the column whose values were replaced by pseudonyms; empty if there is none."""
    key_secret_id: str = ""
    """Identifier of the secret of the pseudonyms; empty if the table has no key."""
    source: str
    files: list[SourceFile] = Field(default_factory=list, exclude_if=lambda files: not files)
    """Files of the source, in the order of their rows; empty, and not in JSON, if it is one."""
    fetched_at: str
    rows: int
    bytes: int


class BronzePart(Artifact):
    """A range of a raw file that has whole rows."""

    start: int
    """Offset of its first byte in the file."""
    bytes: int
    sha256: str
    line: int
    """Number of lines of the file before it."""
    rows: int
    """Number of its lines that are not empty: of its rows, unless a value has a line break."""


class BronzeManifest(Artifact):
    """How a raw file is divided into parts, which can be read independently."""

    header: str
    """Text of the file's header."""
    parts: list[BronzePart]
    """All rows, in the order of the file."""


class SourceChanges(Artifact):
    """What the newest raw file has that the columns file does not expect."""

    run_id: str
    missing: list[str]
    """Headers of columns that the file lacks."""
    new_values: dict[str, dict[str, int]]
    """Header of a column -> each unknown category or outcome -> its number of rows."""

    @property
    def sentences(self) -> list[str]:
        """A sentence for the missing columns, and one for each column with new values."""
        where = f"The raw file of run {self.run_id}"
        found = []
        if self.missing:
            names = ", ".join(f"'{name}'" for name in self.missing)
            found.append(f"{where} lacks the column {names}, so it was refused.")
        for column, values in self.new_values.items():
            # Without the values, each of which may be that of a person.
            found.append(
                f"{where} has new values of '{column}' in at least {sum(values.values()):,} rows, "
                f"which were rejected. {latest_report_file(SOURCE_CHANGES)} lists the values; add "
                "them to the columns file, and train again."
            )
        return found


class PartFacts(Artifact):
    """A part of a table: an object with consecutive rows."""

    key: str
    sha256: str
    rows: int
    positives: int | None = None
    """Number of positive rows; None in manifests of earlier releases."""


def hash_table(parts: Sequence[PartFacts]) -> str:
    """Return the SHA-256 that stands for a table: that of its only part, or of the parts' hashes.

    Args:
        parts: The parts, in the order of the rows.
    """
    if len(parts) == 1:
        return parts[0].sha256
    return sha256_hex("\n".join(part.sha256 for part in parts).encode())


class SilverManifest(Artifact):
    """Result of `preprocess`."""

    bronze: str
    """SHA-256 of the raw file."""
    sha256: str
    """SHA-256 of the rows; see `hash_table`."""
    rows: int
    rejected: int
    blanks: dict[str, int] = Field(default_factory=dict, exclude_if=lambda blanks: not blanks)
    """Number of blanks in each column that has any."""
    parts: list[PartFacts] = Field(default_factory=list, exclude_if=lambda parts: not parts)
    """The parts of the rows; empty, and not in JSON, if there is one. See `list_parts`."""

    def list_parts(self, run_id: str) -> list[PartFacts]:
        """Return the parts of the rows, in the order of the file.

        Args:
            run_id: Run that wrote this manifest.
        """
        return self.parts or [
            PartFacts(key=silver_rows(run_id), sha256=self.sha256, rows=self.rows)
        ]


class SplitFacts(Artifact):
    """A split of gold."""

    sha256: str
    """SHA-256 of the rows; see `hash_table`."""
    rows: int
    positives: int
    parts: list[PartFacts] = Field(default_factory=list, exclude_if=lambda parts: not parts)
    """The parts of the rows; empty, and not in JSON, if there is one."""
    terms: list[str] = Field(default_factory=list, exclude_if=lambda terms: not terms)
    """The oldest and the newest term; empty, and not in JSON, if the rows have no `time`."""
    persons: int = Field(default=0, exclude_if=lambda count: not count)
    """Number of persons; 0, and not in JSON, if the rows have no `key`."""


class GoldManifest(Artifact):
    """Result of `features`."""

    run_id: str
    bronze: str
    silver: str
    splits: dict[str, SplitFacts]
    left_out: int = Field(default=0, exclude_if=lambda count: not count)
    """Older rows of persons or groups in the test split, which are in no split."""
    columns: list[str]
    seed: int
    code_version: str

    def list_parts(self, split: str) -> list[PartFacts]:
        """Return the parts of a split, in the order of its rows.

        Args:
            split: One of layout.SPLITS.
        """
        facts = self.splits[split]
        return facts.parts or [
            PartFacts(
                key=gold_split(self.run_id, split),
                sha256=facts.sha256,
                rows=facts.rows,
                positives=facts.positives,
            )
        ]
