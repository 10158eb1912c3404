"""Validate the raw rows, rename and type the columns, and flip the label: bronze to silver.

Reads the run's raw file. Writes `silver/<run_id>/rows.parquet` with its manifest, and
`silver/<run_id>/rejected.csv`: each row that breaks the contract of the columns file, with its
number below the header and the reason. The stage fails if the fraction of rejected rows exceeds
MLOPS_PREPROCESS__MAX_REJECTED_FRACTION.

Also writes `reports/source_changes.json`, the values of categories and of the label that the
columns file does not have, for the drift check.

Also writes `reports/<run_id>/data_check.{json,html}`: what can be learned from the valid rows, or
from a random sample if they are many. A finding is a warning; the gate `max_order_auc` can reject
models of such data.

A large file is handled in parts, by threads of this process or on Dask workers. Silver then has
`rows/<number>.parquet` and `rejected/<number>.csv`. The memory does not depend on the size of the
file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import FEATURE_NAMES, LABEL, ROLES
from pipeline.compute.parts import run_parts
from pipeline.compute.plan import print_plan
from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.raw_parts import read_manifest
from pipeline.data.silver import (
    PART_MEBIBYTES,
    RawPart,
    SilverCounts,
    SilverPart,
    merge_counts,
    write_silver_part,
)
from pipeline.data.source_changes import record_changes
from pipeline.data_check.check import check_data
from pipeline.data_check.page import page
from pipeline.data_check.roles import RoleCounter
from pipeline.data_check.row_sample import RowSample
from pipeline.errors import DataError
from pipeline.model.arrays import feature_array, label_array
from pipeline.storage.artifacts.data import (
    BronzeManifest,
    BronzePointer,
    PartFacts,
    SilverManifest,
    hash_table,
)
from pipeline.storage.layout import (
    DATA_CHECK,
    DATA_CHECK_PAGE,
    bronze_file,
    bronze_pointer,
    report_file,
    silver_manifest,
    silver_rejected,
    silver_rejected_part,
    silver_rows,
    silver_rows_part,
)


def run(context: Context) -> None:
    """Validate the run's raw file and write its rows to silver.

    Raises:
        DataError: If the file has the wrong header, or too many rows are rejected.
    """
    lake, run_id, settings = context.lake, context.run_id, context.settings
    sha256 = lake.read_model(bronze_pointer(run_id), BronzePointer).sha256
    manifest = read_manifest(lake, sha256, settings.ingest.part_bytes)
    parts = list_raw_parts(run_id, bronze_file(sha256), manifest)
    print_plan("preprocess", len(parts), settings, PART_MEBIBYTES)
    results = validate_parts(context, parts, manifest.header)
    counts = merge_counts(results)
    changes = record_changes(lake, run_id, new_values=counts.new_values.find_most_frequent())
    for sentence in changes.sentences:
        echo(f"preprocess: {sentence}", "yellow")
    if counts.first_rejected:
        report_rejected(context, counts, parts, results)
    written = [result.facts for result in results]
    rows, positives = (
        sum(getattr(facts, name) for facts in written) for name in ("rows", "positives")
    )
    if rows:
        write_data_check(context, written, sha256)
    silver = SilverManifest(
        bronze=sha256,
        sha256=hash_table(written),
        rows=rows,
        rejected=counts.rejected,
        blanks=dict(counts.blanks),
        parts=written if len(written) > 1 else [],
    )
    lake.write_model(silver_manifest(run_id), silver)
    echo(
        f"preprocess: {rows:,} rows to silver, {counts.rejected:,} rejected, "
        f"{positives / max(rows, 1):.1%} {LABEL.positive}"
    )


def list_raw_parts(run_id: str, raw_key: str, manifest: BronzeManifest) -> list[RawPart]:
    """List the parts of a raw file, with the keys of what they become.

    Args:
        run_id: The run.
        raw_key: Key of the raw file.
        manifest: Its parts.
    """
    parts, first_row = [], 0
    is_single = len(manifest.parts) == 1
    for number, own in enumerate(manifest.parts):
        rows_key, rejected_key = (
            (silver_rows(run_id), silver_rejected(run_id))
            if is_single
            else (silver_rows_part(run_id, number), silver_rejected_part(run_id, number))
        )
        parts.append(RawPart(raw_key, own, first_row, rows_key, rejected_key))
        first_row += own.rows
    return parts


def validate_parts(context: Context, parts: Sequence[RawPart], header: str) -> list[SilverPart]:
    """Validate every part, and write it to silver.

    A line break inside a value makes the recorded number of rows of its part too large. The later
    parts with rejected rows are then written again, with the right numbers of these rows.

    Args:
        context: The context of the run.
        parts: The parts, in the order of the file.
        header: Text of the file's header.

    Returns:
        The result of each part.

    Raises:
        DataError: If a line cannot be parsed.
        LakeError: If a part is missing or was modified.
    """

    def write(chosen: Sequence[RawPart]) -> Iterator[SilverPart]:
        return run_parts(
            write_silver_part, chosen, context, mebibytes=PART_MEBIBYTES, header=header
        )

    results = list(write(parts))
    wrong, first_row = {}, 0
    for index, (part, result) in enumerate(zip(parts, results, strict=True)):
        if part.first_row != first_row and result.counts.rejected:
            wrong[index] = replace(part, first_row=first_row)
        first_row += result.counts.rows
    for index, result in zip(wrong, write(list(wrong.values())), strict=True):
        results[index] = result
    return results


def write_data_check(context: Context, parts: Sequence[PartFacts], sha256: str) -> None:
    """Check what can be learned from the valid rows, write the report and print its findings.

    Args:
        context: The context of the run.
        parts: The valid rows.
        sha256: Hash of the raw file.
    """
    rows = sum(part.rows for part in parts)
    sample, roles = RowSample(context.settings.seed, rows, len(FEATURE_NAMES)), RoleCounter(ROLES)
    role_names = [role.name for role in (ROLES.key, ROLES.time) if role]
    found = []
    for part in parts:
        file = pq.ParquetFile(io.BytesIO(context.lake.read(part.key, part.sha256)))
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            roles.add(table.select(role_names or [LABEL.name]).to_pandas())
            frame = table.filter(pa.array(sample.choose(table.num_rows))).to_pandas()
            found.append((feature_array(frame), label_array(frame)))
    features, labels = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    check = check_data(features, labels, context.settings, sha256, roles.take())
    context.lake.write_model(report_file(context.run_id, DATA_CHECK), check)
    context.lake.write(report_file(context.run_id, DATA_CHECK_PAGE), page(check, context.run_id))
    for sentence in check.sentences:
        echo(f"preprocess: {sentence}", "yellow")


def report_rejected(
    context: Context,
    counts: SilverCounts,
    parts: Sequence[RawPart],
    results: Sequence[SilverPart],
) -> None:
    """Print how many rows were rejected, and why the first one was.

    Args:
        context: The context of the run.
        counts: The counts of all parts, with at least one rejected row.
        parts: The parts.
        results: The result of each part.

    Raises:
        DataError: If too many rows were rejected.
    """
    assert counts.first_rejected is not None
    fraction = counts.rejected / counts.rows
    bound = context.settings.preprocess.max_rejected_fraction
    row, reason = counts.first_rejected
    keys = [
        part.rejected_key
        for part, result in zip(parts, results, strict=True)
        if result.counts.rejected
    ]
    more = f" and {len(keys) - 1:,} more there" if len(keys) > 1 else ""
    message = (
        f"{counts.rejected:,} of {counts.rows:,} rows were rejected ({fraction:.1%}). "
        f"The first is row {row}: {reason}. See {context.lake.url(keys[0])}{more}"
    )
    if fraction > bound:
        raise DataError(
            f"{message}. At most {bound:.1%} may be "
            "(MLOPS_PREPROCESS__MAX_REJECTED_FRACTION); repair the source"
        )
    echo(f"preprocess: {message}", "yellow")
