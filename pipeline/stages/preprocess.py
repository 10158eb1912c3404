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

The file is read in blocks of rows, so the memory does not depend on its size.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.columns import FEATURE_NAMES, LABEL, ROLES
from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.blocks import RawFile
from pipeline.data.silver import BLOCK_BYTES, SilverMerge, ValidatedBlock, validate_block
from pipeline.data.source_changes import record_changes
from pipeline.data_check.check import check_data
from pipeline.data_check.page import page
from pipeline.data_check.roles import RoleCounter
from pipeline.data_check.row_sample import RowSample
from pipeline.errors import DataError
from pipeline.model.arrays import feature_array, label_array
from pipeline.storage.artifacts.data import BronzePointer, SilverManifest
from pipeline.storage.layout import (
    DATA_CHECK,
    DATA_CHECK_PAGE,
    SILVER,
    bronze_file,
    bronze_pointer,
    report_file,
    silver_manifest,
    silver_rejected,
    silver_rows,
)


def run(context: Context) -> None:
    """Validate the run's raw file and write its rows to silver.

    Raises:
        DataError: If the file has the wrong header, or too many rows are rejected.
    """
    lake, run_id, settings = context.lake, context.run_id, context.settings
    sha256 = lake.read_model(bronze_pointer(run_id), BronzePointer).sha256
    sample, roles = RowSample(settings.seed, len(FEATURE_NAMES)), RoleCounter(ROLES)
    with lake.new_file(SILVER) as rows_file, lake.new_file(SILVER) as rejected_file:
        with SilverMerge(rows_file, rejected_file) as merge:
            for block in validate_blocks(context, sha256):
                merge.add(block)
                sample.add(feature_array(block.valid), label_array(block.valid))
                roles.add(block.valid)
        new_values = merge.new_values.find_most_frequent()
        changes = record_changes(lake, run_id, new_values=new_values)
        for sentence in changes.sentences:
            echo(f"preprocess: {sentence}", "yellow")
        if merge.first_rejected:
            lake.write_file(silver_rejected(run_id), rejected_file)
            report_rejected(context, merge)
        written = lake.write_file(silver_rows(run_id), rows_file)
    if merge.valid:
        write_data_check(context, sample, roles, sha256)
    manifest = SilverManifest(
        bronze=sha256,
        sha256=written,
        rows=merge.valid,
        rejected=merge.rejected,
        blanks=merge.blanks,
    )
    lake.write_model(silver_manifest(run_id), manifest)
    echo(
        f"preprocess: {merge.valid:,} rows to silver, {merge.rejected:,} rejected, "
        f"{merge.positives / max(merge.valid, 1):.1%} {LABEL.positive}"
    )


def validate_blocks(context: Context, sha256: str) -> Iterator[ValidatedBlock]:
    """Yield the result of each block of a raw file.

    Args:
        context: The context of the run.
        sha256: Hash of the raw file.

    Raises:
        DataError: If the file has the wrong header, or a line cannot be parsed.
        LakeError: If the file has another hash, which is known only after the last block.
    """
    key = bronze_file(sha256)
    with context.lake.open(key, sha256) as file:
        raw = RawFile(file, context.lake.url(key), BLOCK_BYTES)
        for block in raw.read_blocks():
            if block.rows.strip("\r\n"):
                yield validate_block(raw.header, block)


def write_data_check(context: Context, sample: RowSample, roles: RoleCounter, sha256: str) -> None:
    """Check what can be learned from the valid rows, write the report and print its findings.

    Args:
        context: The context of the run.
        sample: The valid rows, or a sample of them.
        roles: The counts of their persons and terms.
        sha256: Hash of the raw file.
    """
    check = check_data(*sample.take(), context.settings, sha256, roles.take())
    context.lake.write_model(report_file(context.run_id, DATA_CHECK), check)
    context.lake.write(report_file(context.run_id, DATA_CHECK_PAGE), page(check, context.run_id))
    for sentence in check.sentences:
        echo(f"preprocess: {sentence}", "yellow")


def report_rejected(context: Context, merge: SilverMerge) -> None:
    """Print how many rows were rejected, and why the first one was.

    Args:
        context: The context of the run.
        merge: The merged blocks, with at least one rejected row.

    Raises:
        DataError: If too many rows were rejected.
    """
    assert merge.first_rejected is not None
    fraction = merge.rejected / merge.rows
    bound = context.settings.preprocess.max_rejected_fraction
    row, reason = merge.first_rejected
    message = (
        f"{merge.rejected:,} of {merge.rows:,} rows were rejected ({fraction:.1%}). "
        f"The first is row {row}: {reason}. "
        f"See {context.lake.url(silver_rejected(context.run_id))}"
    )
    if fraction > bound:
        raise DataError(
            f"{message}. At most {bound:.1%} may be "
            "(MLOPS_PREPROCESS__MAX_REJECTED_FRACTION); repair the source"
        )
    echo(f"preprocess: {message}", "yellow")
