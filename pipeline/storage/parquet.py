"""Tables between bytes and pandas: Parquet that is the same bytes for the same rows."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import FEATURES, LABEL


def to_parquet(frame: pd.DataFrame) -> bytes:
    """The frame as Parquet, without pandas' own metadata, which names library versions."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def from_parquet(data: bytes) -> pd.DataFrame:
    """The frame that `to_parquet` wrote."""
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    return frame


def column_types() -> dict[str, str]:
    """Type of each column from silver on."""
    types = {feature.name: "int64" if feature.is_integer else "float64" for feature in FEATURES}
    return types | {LABEL.name: "int64"}
