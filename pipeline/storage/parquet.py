"""Data frames as Parquet. Equal frames give equal bytes."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import FEATURE_NAMES, LABEL, ROLES, ROW_COLUMNS
from pipeline.errors import DataError


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Encode a frame as Parquet.

    pandas' own metadata is left out, because it contains library versions.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def from_parquet(data: bytes) -> pd.DataFrame:
    """Decode a frame that `to_parquet` encoded."""
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    return frame


def check_columns(frame: pd.DataFrame, source: str) -> None:
    """Check that rows which another run wrote have every feature and the label.

    Args:
        frame: The rows.
        source: Where they came from, for the message.

    Raises:
        DataError: If the run that wrote them had other columns.
    """
    if missing := [name for name in (*FEATURE_NAMES, LABEL.name) if name not in frame]:
        raise DataError(
            f"{source} lacks the columns {', '.join(missing)} of the columns file; it was "
            "written for other columns. Register models of other columns under another name "
            "(MLOPS_MLFLOW__NAME)."
        )


def get_column_types() -> dict[str, str]:
    """Return the type of each column from silver on: name -> pandas type.

    A column that may be blank has floats, and NaN for a blank.
    """
    types = {
        column.name: "int64" if column.is_integer and column.required else "float64"
        for column in ROW_COLUMNS
    }
    return types | {LABEL.name: "int64"} | {role.name: "object" for role in ROLES.columns}
