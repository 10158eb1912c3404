"""Fetch the raw file and store its bytes in bronze under their SHA-256.

Reads the source of MLOPS_INGEST__SOURCE. Writes `bronze/<sha256>.csv` if it does not exist yet, the
list of its parts `bronze/<sha256>.json`, by which `preprocess` divides a large file, the run's
pointer `bronze/runs/<run_id>.json`, and `bronze/latest.json`. A file with the wrong header or
without rows is refused, and nothing is written to bronze; `reports/source_changes.json` then has
the missing columns, for the drift check.

The bytes are stored unchanged, with two exceptions. Columns that the columns file does not have, or
ignores, are left out. The values of the column `key` are replaced by pseudonyms, so that the lake
never has the key of a person. In both cases a source in the lake's inbox is deleted at the end.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import BinaryIO

from pipeline.columns import IGNORED, ROLES
from pipeline.console import echo
from pipeline.context import Context
from pipeline.data.blocks import LineCounter, RawFile, choose_block_bytes
from pipeline.data.erased import read_erased_persons
from pipeline.data.inbox import (
    UPLOAD_AGAIN,
    delete_inbox_file,
    find_inbox_file,
    read_earlier_pointer,
)
from pipeline.data.pseudonyms import Pseudonyms, open_pseudonyms
from pipeline.data.raw_csv import MissingColumnsError
from pipeline.data.raw_parts import PartRecorder
from pipeline.data.raw_table import Rewriter
from pipeline.data.source_changes import record_changes
from pipeline.data.source_files import fetch_files
from pipeline.errors import DataError, shorten
from pipeline.storage.artifacts.data import BronzeManifest, BronzePointer, SourceFile
from pipeline.storage.layout import (
    BRONZE,
    BRONZE_LATEST,
    bronze_file,
    bronze_manifest,
    bronze_pointer,
)
from pipeline.storage.streams import CHUNK_BYTES, NewFile, ScratchFile
from pipeline.times import utc_now


def run(context: Context) -> None:
    """Fetch the raw file, check its header, and store it.

    Raises:
        SourceError: If the source cannot be read.
        DataError: If the file is not a CSV file with the right header, has no rows, or has extra
            columns although the settings refuse them.
        SettingsError: If the columns file has a key, and there is no secret for its pseudonyms.
    """
    lake, source = context.lake, context.settings.ingest.source
    key = ROLES.key.raw if ROLES.key else ""
    inbox_file = find_inbox_file(lake, source)
    if inbox_file and (earlier := read_earlier_pointer(lake, inbox_file, key)):
        _use_again(context, earlier)
        return
    with lake.scratch_file(BRONZE) as fetched, lake.new_file(BRONZE) as stored:
        files = fetch_files(lake, source, context.settings, fetched)
        if files:
            echo(f"ingest: {len(files):,} files of {source} are one dataset")
        pointer, is_new = _store(context, fetched, stored, files)
    _write_pointers(context, pointer)
    if inbox_file and pointer.sha256 != pointer.source_sha256:
        delete_inbox_file(lake, inbox_file, pointer)
        echo(f"ingest: deleted {source}, which has keys or columns that are not stored")
    echo(
        f"ingest: {pointer.rows:,} rows, {pointer.bytes:,} bytes from {source}, "
        f"sha256 {pointer.sha256[:12]}{'' if is_new else ', already in bronze'}"
    )


def _store(
    context: Context, fetched: ScratchFile, stored: NewFile, files: list[SourceFile]
) -> tuple[BronzePointer, bool]:
    """Check the fetched file, and store it with or without changes.

    Returns:
        The pointer to the file, and whether bronze did not have it.
    """
    source = context.settings.ingest.source
    with fetched.read_again() as file:
        raw = _open_raw_file(context, file, source)
        dropped = [name for name in raw.unknown if name in IGNORED]
        extra = [name for name in raw.unknown if name not in IGNORED]
        dropped += _judge_extra(context, source, extra)
        pseudonyms = open_pseudonyms(context.settings) if ROLES.key else None
        must_rewrite = bool(dropped or pseudonyms)
        part_bytes = context.settings.ingest.part_bytes
        if must_rewrite:
            rewriter = _make_rewriter(context, raw, dropped, pseudonyms)
            rows, manifest = _rewrite_rows(raw, rewriter, stored, part_bytes)
        else:
            rows, manifest = _check_rows(raw, part_bytes)
    if not must_rewrite:
        with fetched.read_again() as file:
            shutil.copyfileobj(file, stored, CHUNK_BYTES)
    pointer = BronzePointer(
        sha256=stored.sha256,
        source_sha256=fetched.sha256,
        dropped=dropped,
        key=ROLES.key.raw if ROLES.key else "",
        key_secret_id=pseudonyms.secret_id if pseudonyms else "",
        source=source,
        files=files,
        fetched_at=utc_now(),
        rows=rows,
        bytes=stored.size,
    )
    _compare_secrets(context, pointer)
    is_new = context.lake.create_file(bronze_file(pointer.sha256), stored)
    context.lake.write_model(bronze_manifest(pointer.sha256), manifest)
    return pointer, is_new


def _use_again(context: Context, pointer: BronzePointer) -> None:
    """Let the run use rows that are in bronze, because their file was deleted from the inbox.

    Raises:
        DataError: If the columns file has a column that was not stored.
    """
    try:
        with context.lake.open(bronze_file(pointer.sha256)) as file:
            _open_raw_file(context, file, pointer.source)
    except MissingColumnsError as error:
        raise DataError(
            f"{error}. The file was deleted when its rows were stored; {UPLOAD_AGAIN}"
        ) from None
    _write_pointers(context, pointer)
    echo(
        f"ingest: {pointer.rows:,} rows from {pointer.source}, which was deleted when they were "
        f"stored, sha256 {pointer.sha256[:12]}, already in bronze"
    )


def _write_pointers(context: Context, pointer: BronzePointer) -> None:
    """Point to the rows as those of this run, and as the newest."""
    context.lake.write_model(bronze_pointer(context.run_id), pointer)
    context.lake.write_model(BRONZE_LATEST, pointer)


def _open_raw_file(context: Context, file: BinaryIO, source: str) -> RawFile:
    """Check the header of a raw file, and store which columns are missing.

    Raises:
        DataError: If the header is wrong.
    """
    try:
        return RawFile(file, source, choose_block_bytes(context.settings.ingest.part_bytes))
    except MissingColumnsError as error:
        if not error.is_other_file:
            record_changes(context.lake, context.run_id, missing=error.missing)
        raise


def _judge_extra(context: Context, source: str, extra: list[str]) -> list[str]:
    """Return which of the extra columns are dropped, and print what happens to them.

    Raises:
        DataError: If extra columns are refused.
    """
    policy = context.settings.ingest.extra_columns
    if not extra:
        return []
    names = shorten(", ".join(extra))
    if policy == "refuse":
        raise DataError(
            f"{source} has columns that the columns file does not have: {names}. Add them to the "
            "columns file, to `ignore` if they are not used, or set "
            "MLOPS_INGEST__EXTRA_COLUMNS=drop"
        )
    if policy == "keep":
        echo(f"ingest: extra columns are kept in bronze and otherwise ignored: {names}", "yellow")
        return []
    echo(
        f"ingest: extra columns are not stored (MLOPS_INGEST__EXTRA_COLUMNS): {names}",
        "yellow",
    )
    return extra


def _check_rows(raw: RawFile, part_bytes: int) -> tuple[int, BronzeManifest]:
    """Check every block of a raw file.

    Returns:
        Number of lines below the header, without empty lines at the end, and the file's parts.
    """
    lines = LineCounter()
    recorder = PartRecorder(raw.header, raw.start, part_bytes)
    for block in raw.read_blocks():
        lines.add(block.data)
        recorder.add(block.data)
    return lines.count, recorder.finish()


def _make_rewriter(
    context: Context, raw: RawFile, dropped: list[str], pseudonyms: Pseudonyms | None
) -> Rewriter:
    """Drop columns, replace keys by pseudonyms, and leave out the rows of erased persons."""
    if ROLES.key is None or pseudonyms is None:
        return Rewriter(raw, drop=dropped)
    key, erased = ROLES.key.raw, read_erased_persons(context.lake)
    leave_out: dict[str, Callable[[str], bool]] = {}
    if erased:
        leave_out[key] = lambda value: pseudonyms.make_erased_id(value) in erased
    return Rewriter(raw, drop=dropped, replace={key: pseudonyms.make}, leave_out=leave_out)


def _rewrite_rows(
    raw: RawFile, rewriter: Rewriter, target: NewFile, part_bytes: int
) -> tuple[int, BronzeManifest]:
    """Write a raw file with changes; print which lines this spoils.

    Args:
        raw: The file.
        rewriter: Changes its rows.
        target: Where the file is written.
        part_bytes: Size of a part.

    Returns:
        Number of lines below the header, without empty lines at the end, and the new file's parts.
    """
    lines = LineCounter()
    header = rewriter.header.encode()
    recorder = PartRecorder(rewriter.header, len(header), part_bytes)
    target.write(header)
    for block in raw.read_blocks():
        data = rewriter.rewrite(block).encode()
        lines.add(data)
        recorder.add(data)
        target.write(data)
    if rewriter.left_out:
        echo(f"ingest: {rewriter.left_out:,} rows of erased persons are left out")
    if rewriter.malformed:
        listed = ", ".join(map(str, rewriter.malformed_lines))
        echo(
            f"ingest: {rewriter.malformed:,} rows have too few or too many values and are stored "
            f"blank; the first end at line {listed}",
            "yellow",
        )
    return lines.count, recorder.finish()


def _compare_secrets(context: Context, pointer: BronzePointer) -> None:
    """Print a warning if the last file was stored with the pseudonyms of another secret."""
    if not pointer.key_secret_id or not context.lake.exists(BRONZE_LATEST):
        return
    last = context.lake.read_model(BRONZE_LATEST, BronzePointer).key_secret_id
    if last and last != pointer.key_secret_id:
        echo(
            "ingest: the secret of the pseudonyms has changed since the last file "
            "(MLOPS_INGEST__KEY_SECRET), so persons are not recognised in earlier data",
            "yellow",
        )
