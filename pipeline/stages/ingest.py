"""Fetches the raw survey file and keeps its bytes, as they came, in bronze under their SHA-256.

Reads the source that MLOPS_INGEST__SOURCE names. Writes `bronze/<sha256>.csv` (unless it is there already), the run's
pointer `bronze/runs/<run_id>.json`, and `bronze/latest.json`. A file that no later stage could use is refused, and
nothing is written.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from pipeline.console import echo
from pipeline.context import Context, utc_now
from pipeline.data.raw_csv import check_header, count_rows, decode_text
from pipeline.data.synthetic import DEFAULT_ROWS, generate_csv
from pipeline.errors import SourceError
from pipeline.settings import Settings
from pipeline.storage.artifacts import BronzePointer
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import BRONZE_LATEST, bronze_file, bronze_pointer
from pipeline.storage.s3 import s3_client

CHUNK = 1 << 20


def run(context: Context) -> None:
    """Fetches, checks, keeps."""
    source = context.settings.ingest.source
    data = fetch(source, context.settings)
    extra = check_header(decode_text(data, source), source)
    if extra:
        echo(f"ingest: the columns {', '.join(extra)} are kept in bronze and ignored from there on")

    sha256 = sha256_hex(data)
    facts = BronzePointer(
        sha256=sha256,
        source=source,
        fetched_at=utc_now(),
        rows=count_rows(data),
        bytes=len(data),
    )
    new = context.lake.create(bronze_file(sha256), data)
    context.lake.write_model(bronze_pointer(context.run_id), facts)
    context.lake.write_model(BRONZE_LATEST, facts)
    known = "" if new else ", already in bronze"
    echo(
        f"ingest: {facts.rows:,} rows, {len(data):,} bytes from {source}, sha256 {sha256[:12]}{known}"
    )


def fetch(source: str, settings: Settings) -> bytes:
    """The bytes of a source: see MLOPS_INGEST__SOURCE.

    Raises:
        SourceError: the source is of no known kind, cannot be reached, sends too much or stops in the middle.
    """
    kind, _, rest = source.partition(":")
    if kind == "gdrive":
        return _from_drive(rest, settings)
    if kind in ("https", "http"):
        return _from_web(source, settings)
    if kind == "s3":
        return _from_s3(source, settings)
    if kind == "sample":
        return generate_csv(_rows(source, rest), settings.seed)
    return _from_disk(source, settings)


def _rows(source: str, rest: str) -> int:
    if not rest:
        return DEFAULT_ROWS
    if not rest.isdecimal() or int(rest) == 0:
        raise SourceError(f"the source {source!r} must say a number of rows, as in 'sample:5000'")
    return int(rest)


def _from_disk(source: str, settings: Settings) -> bytes:
    path = Path(source)
    with _failures(source, OSError), path.open("rb") as file:
        return _bounded(iter(lambda: file.read(CHUNK), b""), source, settings)


def _from_web(source: str, settings: Settings) -> bytes:
    import requests

    with (
        _failures(source, requests.RequestException),
        requests.get(source, stream=True, timeout=settings.ingest.timeout_seconds) as answer,
    ):
        answer.raise_for_status()
        data = _bounded(answer.iter_content(CHUNK), source, settings)
    promised = answer.headers.get("Content-Length")
    if promised and "Content-Encoding" not in answer.headers and int(promised) != len(data):
        raise SourceError(
            f"{source} promised {promised} bytes and sent {len(data)}: the download was cut off; try again"
        )
    return data


def _from_s3(source: str, settings: Settings) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = source.removeprefix("s3://").partition("/")
    with _failures(source, BotoCoreError, ClientError):
        body = s3_client(settings.lake).get_object(Bucket=bucket, Key=key)["Body"]
        return _bounded(body.iter_chunks(CHUNK), source, settings)


def _from_drive(file_id: str, settings: Settings) -> bytes:
    import gdown
    import requests

    source = f"gdrive:{file_id}"
    received = io.BytesIO()
    with _failures(source, requests.RequestException, gdown.exceptions.DownloadError):
        gdown.download(
            id=file_id,
            output=received,
            quiet=True,
            use_cookies=False,
            timeout=settings.ingest.timeout_seconds,
        )
    return _bounded(iter((received.getvalue(),)), source, settings)


def _bounded(chunks: Iterator[bytes], source: str, settings: Settings) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > settings.ingest.max_bytes:
            raise SourceError(
                f"{source} sends more than {settings.ingest.max_bytes:,} bytes; MLOPS_INGEST__MAX_BYTES is the bound"
            )
    return bytes(data)


@contextlib.contextmanager
def _failures(source: str, *kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise SourceError(
            f"{source} cannot be read: {_reason(error)}; MLOPS_INGEST__SOURCE names the source"
        ) from error


def _reason(error: Exception) -> str:
    """The error's gist; of a failed connection, the library tells its whole stack of layers."""
    import requests

    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the download was cut off"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server could be made"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
