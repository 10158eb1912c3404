"""Score a part of a list, and store its predictions."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.columns import FEATURE_HEADER
from pipeline.data.cells import RAGGED, parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data.raw_csv import decode_text, find_delimiter
from pipeline.errors import DataError
from pipeline.model.arrays import feature_array
from pipeline.model.bundle import ONNX
from pipeline.scoring.batch_model import LABELS, BatchModel, load_model
from pipeline.scoring.list_parts import ListPart, ListSource, read_rows
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SCORES_SUFFIXES, scores_part, scores_table
from pipeline.storage.parquet import COMPRESSION

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("warning", pa.string()),
        ("error", pa.string()),
        ("model_version", pa.string()),
    ]
)
"""Columns of predictions. `row` counts from 1 below the header; a rejected row has an `error`, and
neither a label nor a probability."""
PART_MEBIBYTES = 200
"""Memory that `score_part` needs for a part of 4 MiB."""


@dataclass(frozen=True)
class Job:
    """What is the same for all parts of a list.

    Attributes:
        source: Where the list is.
        location: The same, for errors.
        header: Text of its header.
        day: Day of the predictions in the lake.
        run_id: Run that scores the list.
        is_divided: Whether the list has several parts.
        manifest_sha256: SHA-256 of the manifest of the model.
        tolerance: Largest accepted difference from the stored probabilities of the model.
    """

    source: ListSource
    location: str
    header: str
    day: str
    run_id: str
    is_divided: bool
    manifest_sha256: str
    tolerance: float


@dataclass(frozen=True)
class PartScores:
    """Result of a part.

    Attributes:
        files: The stored predictions, in the order of SCORES_SUFFIXES.
        rejected: Number of rejected rows.
        first_rejected: The first of them, as a sentence without a full stop; empty if none is.
        warned: Number of rows with a warning.
    """

    files: list[PartFacts]
    rejected: int
    first_rejected: str
    warned: int


def score_part(lake: Lake, part: ListPart, *, job: Job) -> PartScores:
    """Score the rows of a part, and store the predictions as Parquet and as CSV.

    Args:
        lake: The lake.
        part: The part.
        job: The list and the model.

    Raises:
        DataError: If a line cannot be parsed.
        LakeError: If the list or the model was changed.
    """
    model = load_model(lake, job.manifest_sha256, job.tolerance)
    text = decode_text(job.source.read(lake, part), job.location, part.line)
    table = predict(model, job, part, text)
    errors = table["error"]
    rejected = len(errors) - errors.null_count
    first = ""
    if rejected:
        place = int(np.argmax(errors.is_valid().to_numpy()))
        first = f"row {table['row'][place]}: {errors[place]}"
    positives = int(np.sum(table["label"].to_numpy() == LABELS[1]))
    files = []
    for suffix, data in zip(
        SCORES_SUFFIXES, (encode_parquet(table), encode_csv(table)), strict=True
    ):
        name = job.source.name
        key = (
            scores_part(job.day, job.run_id, name, part.number, suffix)
            if job.is_divided
            else scores_table(job.day, job.run_id, name, suffix)
        )
        sha256 = lake.write(key, data)
        files.append(PartFacts(key=key, sha256=sha256, rows=len(table), positives=positives))
    return PartScores(files, rejected, first, len(table) - table["warning"].null_count)


def predict(model: BatchModel, job: Job, part: ListPart, text: str) -> pa.Table:
    """Score rows.

    Args:
        model: The model.
        job: The list.
        part: The part.
        text: Its rows.

    Returns:
        A row of SCHEMA for each row of the part, in the same order.

    Raises:
        DataError: If a line cannot be parsed.
    """
    data = (job.header + text).encode()
    raw = parse_csv(data, part.line - job.header.count("\n"), FEATURE_HEADER)
    if len(raw) != part.rows:
        raise DataError(
            f"{job.location} has {len(raw):,} rows after line {part.line}, but {part.rows:,} were "
            "counted. Save it as CSV UTF-8 with one kind of line breaks, and try again"
        )
    valid, rejected = validate_rows(raw)
    errors = np.full(len(raw), None, dtype=object)
    errors[rejected["row"].to_numpy(np.int64) - 1] = rejected["reason"].to_numpy()
    places = np.flatnonzero(pd.isna(errors))
    for place, error in find_ragged_rows(raw, job, text).items():
        errors[place] = error
    is_kept = pd.isna(errors[places])
    places, rows = places[is_kept], feature_array(valid, np.float32)[is_kept]

    probabilities = np.full(len(raw), np.nan)
    scored = model.score(rows)
    probabilities[places] = scored
    labels = np.full(len(raw), None, dtype=object)
    labels[places] = LABELS[model.get_labels(scored).astype(int)]
    warnings = np.full(len(raw), None, dtype=object)
    for row, warning in model.warn(rows).items():
        warnings[places[row]] = warning
    columns = [
        np.arange(part.first_row, part.first_row + len(raw)),
        labels,
        pa.array(probabilities, from_pandas=True),
        warnings,
        errors,
        np.full(len(raw), model.version, dtype=object),
    ]
    facts = {
        "run_id": job.run_id,
        "model": model.manifest.name,
        "model_run_id": model.manifest.run_id,
        "onnx_sha256": model.manifest.files[ONNX],
    }
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA).replace_schema_metadata(facts)


def find_ragged_rows(raw: pd.DataFrame, job: Job, text: str) -> dict[int, str]:
    """Find the rows that have more or fewer values than the header.

    Their values may belong to other columns.

    Args:
        raw: The parsed rows.
        job: The list.
        text: The rows.

    Returns:
        Index of a row -> what is wrong with it.
    """
    if RAGGED not in raw.attrs:
        return {}
    delimiter = find_delimiter(job.header)
    width = len(next(read_rows(job.header, delimiter)))
    return {
        place: f"the row has {len(row)} values, but the header has {width}"
        for place, row in enumerate(read_rows(text, delimiter))
        if len(row) != width
    }


def encode_parquet(table: pa.Table) -> bytes:
    """Encode predictions as Parquet; equal tables give equal bytes."""
    file = io.BytesIO()
    pq.write_table(table, file, compression=COMPRESSION)
    return file.getvalue()


def encode_csv(table: pa.Table) -> bytes:
    """Encode predictions as CSV with a header."""
    file = io.BytesIO()
    pyarrow.csv.write_csv(
        table, file, pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="none")
    )
    return file.getvalue()
