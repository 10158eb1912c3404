"""The log of live traffic: predictors' small objects, and the hourly files of `compact`.

A predictor writes an object with a few rows every few seconds. `compact` writes the rows of a
finished hour into Parquet files, and then deletes the objects. The metadata of a file has the keys
of its objects, so a reader counts no row twice while both exist.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import json as arrow_json

from pipeline.columns import FEATURE_NAMES, PROBABILITY
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.parquet import COMPRESSION

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("at", TIME),
        ("request_id", pa.string()),
        ("version", pa.string()),
        *((name, pa.float64()) for name in (PROBABILITY, *FEATURE_NAMES)),
    ]
)
"""Fields of a row. It may have others, of another release or columns file."""
CONTENTS = b"contents"
"""Field of a file's metadata with its Contents, as JSON."""
GROUP_ROWS = 10_000
"""Rows of a row group, which a sample contains as a whole or not at all."""
MAX_LINE_BYTES = 1 << 22


class Contents(Artifact):
    """What is in a file of an hour."""

    objects: list[str]
    """Keys of the objects whose rows it has."""


class UnreadableLogError(ValueError):
    """The bytes are no log of live traffic."""


@contextlib.contextmanager
def _raise_unreadable() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, KeyError, ValueError, pa.ArrowException) as error:
        message = str(error) or type(error).__name__
        raise UnreadableLogError(message.splitlines()[0]) from error


def parse_log(data: bytes) -> pa.Table:
    """Parse an object of the log.

    Args:
        data: Gzipped JSON lines, or nothing.

    Returns:
        The rows with the fields of SCHEMA and any others. `at` is a time; a missing field is null.

    Raises:
        UnreadableLogError: If the data are no such log.
    """
    with _raise_unreadable():
        lines = gzip.decompress(data) if data else b""
        if not lines.strip():
            return SCHEMA.empty_table()
        # Arrow's JSON reader knows no times with an offset, so it reads them as text.
        schema = SCHEMA.set(0, SCHEMA.field("at").with_type(pa.string()))
        table = arrow_json.read_json(
            io.BytesIO(lines),
            read_options=arrow_json.ReadOptions(block_size=MAX_LINE_BYTES),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema),
        )
        return table.set_column(0, "at", table["at"].cast(TIME))


def merge_schemas(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """Return the schema of the rows of two objects together.

    Raises:
        UnreadableLogError: If a field has a different type in each.
    """
    with _raise_unreadable():
        return pa.unify_schemas([first, second], promote_options="permissive")


def encode_hour(objects: Mapping[str, pa.Table]) -> bytes:
    """Encode the rows of objects as a file of an hour.

    Args:
        objects: Key -> rows, from `parse_log`, whose schemas can be merged.
    """
    table = pa.concat_tables(objects.values(), promote_options="permissive")
    contents = Contents(objects=[*objects])
    table = table.combine_chunks().replace_schema_metadata({CONTENTS: contents.model_dump_json()})
    file = io.BytesIO()
    pq.write_table(
        table, file, compression=COMPRESSION, row_group_size=GROUP_ROWS, write_page_checksum=True
    )
    return file.getvalue()


class HourFile:
    """A file of an hour.

    Attributes:
        objects: Keys of the objects whose rows it has.
        groups: Number of its row groups.
        rows: Number of its rows.
    """

    def __init__(self, data: bytes) -> None:
        """Read the metadata.

        Args:
            data: The bytes of `encode_hour`.

        Raises:
            UnreadableLogError: If they are no such file.
        """
        with _raise_unreadable():
            self._file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
            metadata = self._file.schema_arrow.metadata or {}
            self.objects = Contents.model_validate_json(metadata[CONTENTS]).objects
        self.groups: int = self._file.num_row_groups
        self.rows: int = self._file.metadata.num_rows

    def read_group(self, number: int) -> pa.Table:
        """Read a row group.

        Raises:
            UnreadableLogError: If its bytes differ from those that were written.
        """
        with _raise_unreadable():
            return self._file.read_row_group(number)

    def verify(self) -> None:
        """Read every row.

        Raises:
            UnreadableLogError: If the bytes differ from those that were written.
        """
        for number in range(self.groups):
            self.read_group(number)
