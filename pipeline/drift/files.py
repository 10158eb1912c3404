"""Load a data set of a drift check from a CSV or Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.column_file.blanks import is_blank
from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, PROBABILITY_FIELDS, Category
from pipeline.data.raw_csv import MAX_HEADER_CHARACTERS, find_delimiter
from pipeline.drift.columns import PREDICTION
from pipeline.drift.data import Dataset
from pipeline.errors import DataError, SourceError
from pipeline.storage.artifacts.drift import DatasetFacts

if TYPE_CHECKING:
    import pandas as pd


def load_file(path: Path) -> Dataset:
    """Load a CSV or Parquet file.

    Columns have our names or the raw ones; categories are codes or names. Other columns are
    ignored.

    Raises:
        SourceError: If the file cannot be read.
        DataError: If a feature is missing, or a value is neither a number nor a category.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's own errors are ValueErrors
        raise SourceError(
            f"{path} cannot be read: {str(error).splitlines()[0]}. Provide a CSV or .parquet file."
        ) from error
    names = {feature.raw: feature.name for feature in FEATURES}
    missing = [
        f"'{name}' ('{raw}')"
        for raw, name in names.items()
        if raw not in frame and name not in frame
    ]
    if missing:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)}. "
            f"It has {', '.join(map(repr, frame.columns))[:300]}."
        )
    if LABEL.raw in frame and LABEL.name not in frame:
        outcomes = {value: LABEL.is_positive(value) for value in frame[LABEL.raw].dropna().unique()}
        frame[LABEL.name] = frame[LABEL.raw].map(outcomes).astype(float)
    if PREDICTION not in frame:
        names |= dict.fromkeys(PROBABILITY_FIELDS, PREDICTION)
    frame = frame.rename(columns=names)
    kept = [name for name in (*FEATURE_NAMES, PREDICTION, LABEL.name) if name in frame]
    columns = {name: _to_floats(frame[name], path) for name in kept}
    facts = DatasetFacts(source="a file", rows=len(frame), object=str(path))
    return Dataset(pd.DataFrame(columns), facts)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file with the delimiter that its header has."""
    import pandas as pd

    with path.open(encoding="utf-8-sig", errors="replace") as file:
        delimiter = find_delimiter(file.readline(MAX_HEADER_CHARACTERS))
    return pd.read_csv(path, sep=delimiter)


def _to_floats(column: pd.Series[Any], path: Path) -> pd.Series[float]:
    """Convert a column to floats, category names to their codes."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.astype(float)
    feature = next((feature for feature in FEATURES if feature.name == column.name), None)
    codes = feature.codes if isinstance(feature, Category) else {}

    def to_number(value: Any) -> Any:
        if feature is None or not isinstance(value, str):
            return value
        if isinstance(feature, Category):
            code = feature.get_code(value)
        else:
            code = feature.measure_dates(value) if feature.until_date else None
        if code is None and not feature.required and is_blank(value):
            return None
        if code is None and isinstance(feature, Category):
            code = feature.other_code
        return value if code is None else code

    converted = column.map(to_number)
    numbers = pd.to_numeric(converted, errors="coerce")
    wrong = column[numbers.isna() & converted.notna()]
    if len(wrong):
        expected = f"a number or one of {', '.join(codes)}" if codes else "a number"
        raise DataError(
            f"{path}, row {wrong.index[0] + 1}: '{column.name}' is {wrong.iloc[0]!r:.120}; "
            f"it must be {expected}"
        )
    return numbers.astype(float)
