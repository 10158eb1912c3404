"""Data frames as Parquet. Equal frames give equal bytes."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import LABEL, ROLES, ROW_COLUMNS

COMPRESSION = "zstd"


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Encode a frame as Parquet.

    pandas' own metadata is left out, because it contains library versions.
    """
    return write_table(pa.Table.from_pandas(frame, preserve_index=False))


def write_table(table: pa.Table) -> bytes:
    """Encode a table as Parquet.

    Args:
        table: Rows without further chunks: the bytes depend on them.
    """
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), file, compression=COMPRESSION)
    return file.getvalue()


def to_table(rows: pd.DataFrame) -> pa.Table:
    """Convert rows of silver to an Arrow table, whose types do not depend on their values.

    Args:
        rows: Rows with the columns of `get_column_types`.
    """
    schema = get_schema()
    return pa.Table.from_pandas(rows, schema, preserve_index=False).replace_schema_metadata(None)


def get_schema() -> pa.Schema:
    """Return the Arrow schema of silver."""
    types = {"int64": pa.int64(), "float64": pa.float64(), "object": pa.string()}
    return pa.schema([(name, types[kind]) for name, kind in get_column_types().items()])


def from_parquet(data: bytes) -> pd.DataFrame:
    """Decode a frame that `to_parquet` encoded."""
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    return frame


def get_column_types() -> dict[str, str]:
    """Return the type of each column from silver on: name -> pandas type.

    A column that may be blank has floats, and NaN for a blank.
    """
    types = {
        column.name: "int64" if column.is_integer and column.required else "float64"
        for column in ROW_COLUMNS
    }
    return types | {LABEL.name: "int64"} | {role.name: "object" for role in ROLES.columns}
