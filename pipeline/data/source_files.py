"""Sources of several files, which become one raw file: a folder, a glob, or a prefix on S3."""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import shutil
from pathlib import Path
from typing import Any

from pipeline.data.blocks import BYTE_ORDER_MARK, find_row_end
from pipeline.data.raw_csv import check_start, decode_text, find_delimiter
from pipeline.data.sources import check_paths, fetch, raise_source_errors
from pipeline.errors import DataError, SourceError
from pipeline.settings import Settings
from pipeline.storage.artifacts.data import SourceFile
from pipeline.storage.lake import Lake
from pipeline.storage.layout import BRONZE, BRONZE_INBOX
from pipeline.storage.s3 import s3_client
from pipeline.storage.streams import CHUNK_BYTES, ScratchFile

SUFFIX = ".csv"
HEADER_BYTES = 1 << 20
"""Where a header must end."""


def fetch_files(lake: Lake, source: str, settings: Settings, file: ScratchFile) -> list[SourceFile]:
    """Copy the bytes of a source to a file; those of several files with one header.

    Args:
        lake: The lake, on whose disk each of several files is stored for a moment.
        source: The source, as MLOPS_INGEST__SOURCE describes it.
        settings: All settings.
        file: An empty file.

    Returns:
        The files of the source, in the order of their rows; none if the source is a single file.

    Raises:
        SettingsError: If the source is a path and the lake is on S3, or its host is refused.
        SourceError: If a file cannot be read, or all of them are too large.
        DataError: If a file has another header than the first.
        LakeError: If the disk is full or fails.
    """
    names = list_files(lake, source, settings)
    if names is None:
        fetch(source, settings, file)
        return []
    found, first = [], b""
    for name in names:
        with lake.scratch_file(BRONZE) as copy:
            fetch(name, settings, copy)
            header = _append(copy, name, file, first)
            _compare_headers(header, name, first, names[0])
            first = first or header
            found.append(SourceFile(name=name, sha256=copy.sha256, bytes=copy.size))
        if file.size > settings.ingest.max_bytes:
            raise SourceError(
                f"the files of {source} have more than {settings.ingest.max_bytes:,} bytes; "
                "MLOPS_INGEST__MAX_BYTES is the limit"
            )
    return found


def list_files(lake: Lake, source: str, settings: Settings) -> list[str] | None:
    """Return the sources of the files that a source stands for, sorted; None for a single file.

    Raises:
        SettingsError: If the source is a path and the lake is on S3.
        SourceError: If there are no files, or they are in the inbox.
    """
    is_prefix = source.startswith("s3://") and source.endswith("/")
    is_path = ":" not in source.partition("/")[0]
    is_folder = is_path and Path(source).is_dir()
    if not (is_prefix or is_folder or (is_path and glob.has_magic(source))):
        return None
    if f"{source.rstrip('/')}/".startswith(f"{lake.url(BRONZE_INBOX)}/"):
        raise SourceError(
            f"{source} is a folder of the inbox, from which `ingest` deletes files one by one. "
            "Name one file, or upload the files to another folder"
        )
    if is_prefix:
        names = _list_objects(source, settings)
    else:
        check_paths(source, settings)
        folder = Path(source if is_folder else Path(source).anchor)
        pattern = f"*{SUFFIX}" if is_folder else str(Path(source).relative_to(folder))
        names = [str(path) for path in folder.glob(pattern) if path.is_file()]
    if not names:
        raise SourceError(f"{source} has no files that end with {SUFFIX}. Check its name")
    return sorted(names)


def _list_objects(source: str, settings: Settings) -> list[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    client: Any = s3_client(settings.lake)
    with raise_source_errors(source, settings, BotoCoreError, ClientError):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    return [f"s3://{bucket}/{key}" for key in keys if key.endswith(SUFFIX)]


def _append(copy: ScratchFile, name: str, file: ScratchFile, first: bytes) -> bytes:
    """Append a file to the others, without its header unless it is the first; return the header."""
    with copy.read_again() as data:
        start = data.read(HEADER_BYTES)
        mark = len(BYTE_ORDER_MARK) if start.startswith(BYTE_ORDER_MARK) else 0
        check_start(start, name)
        text = decode_text(start[mark : start.rfind(b"\n") + 1] or start[mark:], name)
        end = mark + find_row_end(start[mark:], find_delimiter(text))
        data.seek(end if first else 0)
        shutil.copyfileobj(data, file, CHUNK_BYTES)
        data.seek(-1, io.SEEK_END)
        if data.read(1) != b"\n":
            file.write(b"\n")
    return start[mark:end].rstrip(b"\r\n")


def _compare_headers(header: bytes, name: str, first: bytes, first_name: str) -> None:
    """Raise DataError if a file has another header than the first."""
    if first and _split(header) != _split(first):
        raise DataError(
            f"{name} has another first line than {first_name}. Files of one source need the same "
            "header, with the same columns in the same order and the same delimiter"
        )


def _split(header: bytes) -> tuple[str, list[str]]:
    text = header.decode()
    delimiter = find_delimiter(text)
    with contextlib.suppress(csv.Error):
        return delimiter, next(csv.reader([text], delimiter=delimiter), [])
    return delimiter, [text]
