"""Fetch the raw survey file and store its bytes in bronze under their SHA-256.

Reads the source of MLOPS_INGEST__SOURCE. Writes `bronze/<sha256>.csv` if it does not exist yet, the
run's pointer `bronze/runs/<run_id>.json`, and `bronze/latest.json`. A file with the wrong header or
without rows is refused, and nothing is written.
"""

from __future__ import annotations

from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.raw_csv import check_header, count_rows, decode_text
from pipeline.data.sources import fetch
from pipeline.errors import shorten
from pipeline.storage.artifacts import BronzePointer
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import BRONZE_LATEST, bronze_file, bronze_pointer
from pipeline.times import utc_now


def run(context: Context) -> None:
    """Fetch the raw file, check its header, and store it.

    Raises:
        SourceError: If the source cannot be read.
        DataError: If the file is not a CSV file with the right header, or has no rows.
    """
    source = context.settings.ingest.source
    data = fetch(source, context.settings)
    extra = check_header(decode_text(data, source), source)
    if extra:
        names = shorten(", ".join(extra))
        echo(f"ingest: extra columns are kept in bronze and otherwise ignored: {names}")

    sha256 = sha256_hex(data)
    pointer = BronzePointer(
        sha256=sha256,
        source=source,
        fetched_at=utc_now(),
        rows=count_rows(data),
        bytes=len(data),
    )
    is_new = context.lake.create(bronze_file(sha256), data)
    context.lake.write_model(bronze_pointer(context.run_id), pointer)
    context.lake.write_model(BRONZE_LATEST, pointer)
    echo(
        f"ingest: {pointer.rows:,} rows, {len(data):,} bytes from {source}, "
        f"sha256 {sha256[:12]}{'' if is_new else ', already in bronze'}"
    )
