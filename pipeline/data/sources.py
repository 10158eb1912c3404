"""Fetch a raw file from its source: Google Drive, the web, S3, disk, or the generator."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.synthetic import DEFAULT_ROWS, generate_csv
from pipeline.errors import SettingsError, SourceError, shorten
from pipeline.settings import Settings
from pipeline.storage.s3 import s3_client
from pipeline.tls import trust_ca_bundle

CHUNK_BYTES = 1 << 20


def fetch(source: str, settings: Settings) -> bytes:
    """Fetch the bytes of a source.

    Args:
        source: The source, as MLOPS_INGEST__SOURCE describes it.
        settings: All settings.

    Returns:
        The bytes, unchanged.

    Raises:
        SettingsError: If the source is a path and the lake is on S3.
        SourceError: If the source cannot be read, is too large, or is cut off.
    """
    scheme, _, rest = source.partition(":")
    if scheme == "gdrive":
        return _from_google_drive(rest, settings)
    if scheme in ("https", "http"):
        return _from_web(source, settings)
    if scheme == "s3":
        return _from_s3(source, settings)
    if scheme == "sample":
        return generate_csv(_parse_rows(source, rest), settings.seed)
    return _from_disk(source, settings)


def _parse_rows(source: str, rest: str) -> int:
    if not rest:
        return DEFAULT_ROWS
    if not rest.isdecimal() or int(rest) == 0:
        raise SourceError(f"the source {source!r} lacks a number of rows, as in 'sample:5000'")
    return int(rest)


def _from_disk(source: str, settings: Settings) -> bytes:
    # A pod's own files, such as /proc/self/environ with its S3 keys, must not become data.
    if settings.lake.is_s3:
        raise SettingsError(
            f"the source {source!r} is a path, which is refused if the lake is on S3. Upload the "
            "file to a bucket and use s3://BUCKET/KEY, or use https:// or gdrive:ID"
        )
    path = Path(source)
    with _raise_source_errors(source, settings, OSError), path.open("rb") as file:
        return _read_bounded(iter(lambda: file.read(CHUNK_BYTES), b""), source, settings)


def _from_web(source: str, settings: Settings) -> bytes:
    import httpx

    certificates = httpx.create_ssl_context()
    certificates.load_default_certs()  # those of the system, in addition to httpx's
    trust_ca_bundle(certificates)
    with (
        _raise_source_errors(source, settings, httpx.HTTPError, httpx.InvalidURL),
        httpx.stream(
            "GET",
            source,
            follow_redirects=True,
            timeout=settings.ingest.timeout_seconds,
            verify=certificates,
        ) as response,
    ):
        response.raise_for_status()
        return _read_bounded(response.iter_bytes(CHUNK_BYTES), source, settings)


def _from_s3(source: str, settings: Settings) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = source.removeprefix("s3://").partition("/")
    with _raise_source_errors(source, settings, BotoCoreError, ClientError):
        body = s3_client(settings.lake).get_object(Bucket=bucket, Key=key)["Body"]
        return _read_bounded(body.iter_chunks(CHUNK_BYTES), source, settings)


def _from_google_drive(file_id: str, settings: Settings) -> bytes:
    import gdown
    import requests

    source = f"gdrive:{file_id}"
    received = io.BytesIO()
    errors = (requests.RequestException, gdown.exceptions.DownloadError)
    with _raise_source_errors(source, settings, *errors):
        gdown.download(
            id=file_id,
            output=received,
            quiet=True,
            use_cookies=False,
            timeout=settings.ingest.timeout_seconds,
        )
    return _read_bounded(iter((received.getvalue(),)), source, settings)


def _read_bounded(chunks: Iterator[bytes], source: str, settings: Settings) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > settings.ingest.max_bytes:
            raise SourceError(
                f"{source} has more than {settings.ingest.max_bytes:,} bytes; "
                "MLOPS_INGEST__MAX_BYTES is the limit"
            )
    return bytes(data)


@contextlib.contextmanager
def _raise_source_errors(
    source: str, settings: Settings, *errors: type[Exception]
) -> Iterator[None]:
    """Raise these errors as SourceError."""
    try:
        yield
    except errors as error:
        raise SourceError(
            f"{source} cannot be read: {_describe(error, settings.ingest.timeout_seconds)}. Check "
            "MLOPS_INGEST__SOURCE"
        ) from error


def _describe(error: Exception, timeout_seconds: float) -> str:
    """The cause in a few words. gdown raises the errors of requests."""
    import httpx
    import requests

    if isinstance(error, (httpx.TimeoutException, requests.Timeout)):
        return (
            f"the server did not respond within {timeout_seconds:g} s "
            "(MLOPS_INGEST__TIMEOUT_SECONDS)"
        )
    cut_off = (httpx.RemoteProtocolError, httpx.ReadError)
    if isinstance(error, (*cut_off, requests.exceptions.ChunkedEncodingError)):
        return "the download was cut off"
    if isinstance(error, (httpx.NetworkError, httpx.ProxyError, requests.ConnectionError)):
        return "the connection to the server failed"
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server responded with {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return shorten(lines[0]) if lines else type(error).__name__
