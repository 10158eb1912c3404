"""Validate the raw rows, rename and type the columns, and flip the label: bronze to silver.

Reads the run's raw file. Writes `silver/<run_id>/rows.parquet` with its manifest, and
`silver/<run_id>/rejected.csv`: each row that breaks the contract of the columns file, with its
number below the header and the reason. The stage fails if the fraction of rejected rows exceeds
MLOPS_PREPROCESS__MAX_REJECTED_FRACTION.

Also writes `reports/source_changes.json`, the values of categories and of the label that the
columns file does not have, for the drift check.

Also writes `reports/<run_id>/data_check.{json,html}`: what can be learned from the valid rows. A
finding is a warning; the gate `max_order_auc` can reject models of such data.
"""

from __future__ import annotations

import pandas as pd

from pipeline.columns import LABEL, ROLES
from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.blocks import RawFile
from pipeline.data.contract import count_blanks, parse_csv, validate_rows
from pipeline.data.source_changes import find_new_values, record_changes
from pipeline.data_check.check import check_data
from pipeline.data_check.page import page
from pipeline.data_check.roles import check_roles
from pipeline.errors import DataError
from pipeline.model.arrays import feature_array, label_array
from pipeline.storage.artifacts.data import BronzePointer, SilverManifest
from pipeline.storage.layout import (
    DATA_CHECK,
    DATA_CHECK_PAGE,
    bronze_file,
    bronze_pointer,
    report_file,
    silver_manifest,
    silver_rejected,
    silver_rows,
)
from pipeline.storage.parquet import to_parquet


def run(context: Context) -> None:
    """Validate the run's raw file and write its rows to silver.

    Raises:
        DataError: If the file has the wrong header, or too many rows are rejected.
    """
    lake, run_id = context.lake, context.run_id
    sha256 = lake.read_model(bronze_pointer(run_id), BronzePointer).sha256
    key = bronze_file(sha256)
    with lake.open(key, sha256) as file:
        source = RawFile(file, lake.url(key))
        text = "".join((source.header, *(block.rows for block in source.read_blocks())))

    raw = parse_csv(text)
    valid, rejected = validate_rows(raw)
    raw_rows, blanks = len(raw), count_blanks(valid)
    del text, raw
    changes = record_changes(lake, run_id, new_values=find_new_values(rejected))
    for sentence in changes.sentences:
        echo(f"preprocess: {sentence}", "yellow")
    if len(rejected):
        lake.write(silver_rejected(run_id), rejected.to_csv(index=False).encode())
        report_rejected(context, rejected, raw_rows)
    written = lake.write(silver_rows(run_id), to_parquet(valid))
    if len(valid):
        write_data_check(context, valid, sha256)
    manifest = SilverManifest(
        bronze=sha256, sha256=written, rows=len(valid), rejected=len(rejected), blanks=blanks
    )
    lake.write_model(silver_manifest(run_id), manifest)
    rate = valid[LABEL.name].mean()
    echo(
        f"preprocess: {len(valid):,} rows to silver, {len(rejected):,} rejected, "
        f"{rate:.1%} {LABEL.positive}"
    )


def write_data_check(context: Context, valid: pd.DataFrame, sha256: str) -> None:
    """Check what can be learned from the valid rows, write the report and print its findings.

    Args:
        context: The context of the run.
        valid: The valid rows, in the order of the file.
        sha256: Hash of the raw file.
    """
    check = check_data(
        feature_array(valid),
        label_array(valid),
        context.settings,
        sha256,
        check_roles(valid, ROLES),
    )
    context.lake.write_model(report_file(context.run_id, DATA_CHECK), check)
    context.lake.write(report_file(context.run_id, DATA_CHECK_PAGE), page(check, context.run_id))
    for sentence in check.sentences:
        echo(f"preprocess: {sentence}", "yellow")


def report_rejected(context: Context, rejected: pd.DataFrame, rows: int) -> None:
    """Print how many rows were rejected, and why the first one was.

    Args:
        context: The context of the run.
        rejected: The rejected rows, with their numbers and reasons.
        rows: Number of all rows.

    Raises:
        DataError: If too many rows were rejected.
    """
    fraction, bound = len(rejected) / rows, context.settings.preprocess.max_rejected_fraction
    first = rejected.iloc[0]
    message = (
        f"{len(rejected):,} of {rows:,} rows were rejected ({fraction:.1%}). "
        f"The first is row {first['row']}: {first['reason']}. "
        f"See {context.lake.url(silver_rejected(context.run_id))}"
    )
    if fraction > bound:
        raise DataError(
            f"{message}. At most {bound:.1%} may be "
            "(MLOPS_PREPROCESS__MAX_REJECTED_FRACTION); repair the source"
        )
    echo(f"preprocess: {message}", "yellow")
