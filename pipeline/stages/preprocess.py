"""Validates every row, gives the columns our names and types, and flips the label: bronze -> silver.

Reads the run's bronze file. Writes `silver/<run_id>/students.parquet` with its manifest, and `silver/<run_id>/rejected.csv`:
each row that breaks the contract of pipeline/columns.py, with its number below the header and the reason. More rejected rows than
MLOPS_PREPROCESS__MAX_REJECTED_FRACTION stop the stage.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow.csv

from pipeline.columns import FEATURES, LABEL, RAW_HEADER, Category
from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.raw_csv import check_header, decode_text
from pipeline.errors import DataError
from pipeline.storage.artifacts import BronzePointer, SilverManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    bronze_file,
    bronze_pointer,
    silver_manifest,
    silver_rejected,
    silver_rows,
)
from pipeline.storage.parquet import column_types, to_parquet


def run(context: Context) -> None:
    """Reads bronze, splits good rows from bad, writes silver."""
    lake, run_id = context.lake, context.run_id
    sha256 = lake.read_model(bronze_pointer(run_id), BronzePointer).sha256
    key = bronze_file(sha256)
    text = decode_text(lake.read(key, sha256), lake.url(key))
    check_header(text, lake.url(key))

    raw = read_raw(text)
    students, rejected = split(raw)
    del text
    if len(rejected):
        lake.write(silver_rejected(run_id), rejected.to_csv(index=False).encode())
        report_rejected(
            lake, run_id, rejected, len(raw), context.settings.preprocess.max_rejected_fraction
        )
    written = lake.write(silver_rows(run_id), to_parquet(students))
    manifest = SilverManifest(
        bronze=sha256, sha256=written, rows=len(students), rejected=len(rejected)
    )
    lake.write_model(silver_manifest(run_id), manifest)
    rate = students[LABEL.name].mean()
    echo(
        f"preprocess: {len(students):,} rows to silver, {len(rejected):,} rejected, {rate:.1%} {LABEL.positive}"
    )


def report_rejected(
    lake: Lake, run_id: str, rejected: pd.DataFrame, rows: int, bound: float
) -> None:
    """Says how many rows were rejected, and why.

    Raises:
        DataError: their share is above `bound`.
    """
    share = len(rejected) / rows
    first = rejected.iloc[0]
    place = lake.url(silver_rejected(run_id))
    sentence = f"{len(rejected):,} of {rows:,} rows are rejected ({share:.1%}), first row {first['row']}: {first['reason']}; see {place}"
    if share > bound:
        raise DataError(
            f"{sentence}. The bound is {bound:.1%} (MLOPS_PREPROCESS__MAX_REJECTED_FRACTION): repair the source"
        )
    echo(f"preprocess: {sentence}", "yellow")


def read_raw(text: str) -> pd.DataFrame:
    """The contract's columns of a raw file, under their raw names.

    Numbers are float64 where every value of the file is one; otherwise every column holds the text as it came.
    """
    types = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(RAW_HEADER, pyarrow.float64()), include_columns=list(RAW_HEADER)
    )
    try:
        frame: pd.DataFrame = pyarrow.csv.read_csv(
            io.BytesIO(text.encode()), convert_options=types
        ).to_pandas()
    except pyarrow.ArrowInvalid:  # text in a number, or a row of another length
        return _read_text(text)
    return frame


def _read_text(text: str) -> pd.DataFrame:
    """Every field as text; a short row misses its last fields, and a long row's last field holds all that is too much."""
    reader = csv.reader(io.StringIO(text))
    header = next(reader)
    last = len(header) - 1
    rows = [
        [*row[:last], ",".join(row[last:])]
        if len(row) > last
        else [*row, *[None] * (last + 1 - len(row))]
        for row in reader
        if row
    ]
    return pd.DataFrame(rows, columns=header, dtype="string")[list(RAW_HEADER)]


def schema() -> pa.DataFrameSchema:
    """The contract of pipeline/columns.py on raw values; each check's text is the reason that a rejected row is given."""
    columns = {}
    for feature in FEATURES:
        if isinstance(feature, Category):
            codes = list(feature.codes.values())
            checks = [
                pa.Check.isin(
                    codes, error=f"is not one of {', '.join(f'{code:g}' for code in codes)}"
                )
            ]
        else:
            checks = [
                pa.Check.in_range(
                    feature.low,
                    feature.high,
                    error=f"is not within {feature.low:g} to {feature.high:g}",
                )
            ]
            if feature.is_integer:
                checks.append(
                    pa.Check(lambda values: values % 1 == 0, error="is not a whole number")
                )
        columns[feature.raw] = pa.Column(float, checks)
    labels = [LABEL.positive_raw, LABEL.negative_raw]
    columns[LABEL.raw] = pa.Column(
        float, pa.Check.isin(labels, error=f"is not one of {labels[0]}, {labels[1]}")
    )
    return pa.DataFrameSchema(columns)


def split(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Good rows in silver's names and types, and bad rows as they came with their number and the reasons.

    Infinity is out of every range, and text that is no number is missing as a number.
    """
    numbers = raw.apply(pd.to_numeric, errors="coerce").astype("float64")
    reasons = _reasons(raw, numbers)
    bad = raw.loc[reasons.index]
    rejected = bad.assign(row=bad.index + 1, reason=reasons)
    good = numbers.drop(index=reasons.index)

    students = good.rename(columns={feature.raw: feature.name for feature in FEATURES})
    students[LABEL.name] = good[LABEL.raw] == LABEL.positive_raw
    types = column_types()
    return students[list(types)].astype(types).reset_index(drop=True), rejected


def _reasons(raw: pd.DataFrame, numbers: pd.DataFrame) -> pd.Series[str]:
    """Reasons by row, of the rows that break the contract."""
    try:
        schema().validate(numbers, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.dropna(subset=["index"])
        rows = cases["index"].astype(int).to_list()
        told = [
            _reason(raw.at[row, column], column, check)
            for row, column, check in zip(rows, cases["column"], cases["check"], strict=True)
        ]
        return pd.Series(told, index=rows, dtype="object").groupby(level=0).agg("; ".join)
    return pd.Series(dtype="object")


def _reason(value: Any, column: str, check: str) -> str:
    if pd.isna(value) or value == "":
        return f"'{column}' is missing"
    if check == "not_nullable":
        return f"'{column}' is {value!r}, which is not a number"
    return f"'{column}' is {value}, which {check}"
