"""Fetch a raw file from its source: Google Drive, the web, S3, disk, or the generator."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.data.downloads import Download
from pipeline.data.synthetic import DEFAULT_ROWS, generate_csv
from pipeline.data.web_hosts import GOOGLE_DRIVE, check_connection, check_listed, check_request
from pipeline.errors import SettingsError, SourceError, shorten
from pipeline.settings import Settings
from pipeline.storage.s3 import s3_client
from pipeline.storage.streams import CHUNK_BYTES, ScratchFile
from pipeline.tls import bundle_with, trust_ca_bundle

CHANGED_CODES = ("PreconditionFailed", "412", "InvalidRange", "416")
"""S3's errors for an object that was replaced while it was read."""


def fetch(source: str, settings: Settings, file: ScratchFile) -> None:
    """Copy the bytes of a source to a file, unchanged and a chunk at a time.

    Args:
        source: The source, as MLOPS_INGEST__SOURCE describes it.
        settings: All settings.
        file: An empty file.

    Raises:
        SettingsError: If the source is a path and the lake is on S3, or its host is refused.
        SourceError: If the source cannot be read, is too large, or is cut off.
        LakeError: If the disk is full or fails.
    """
    target = Download(file, source, settings.ingest.max_bytes)
    scheme, _, rest = source.partition(":")
    if scheme == "gdrive":
        _copy_google_drive(rest, source, settings, target)
    elif scheme in ("https", "http"):
        _copy_web(source, settings, target)
    elif scheme == "s3":
        _copy_s3(source, settings, target)
    elif scheme == "sample":
        target.write(generate_csv(_parse_rows(source, rest), settings.seed))
    else:
        _copy_disk(source, settings, target)


def _parse_rows(source: str, rest: str) -> int:
    if not rest:
        return DEFAULT_ROWS
    if not rest.isdecimal() or int(rest) == 0:
        raise SourceError(f"the source {source!r} lacks a number of rows, as in 'sample:5000'")
    return int(rest)


def check_paths(source: str, settings: Settings) -> None:
    """Refuse paths on a cluster: a pod's own files, such as its keys, must not become data.

    Raises:
        SettingsError: If the lake is on S3.
    """
    if settings.lake.is_s3:
        raise SettingsError(
            f"the source {source!r} is a path, which is refused if the lake is on S3. Upload the "
            "file to a bucket and use s3://BUCKET/KEY, or use https:// or gdrive:ID"
        )


def _copy_disk(source: str, settings: Settings, target: Download) -> None:
    check_paths(source, settings)
    with raise_source_errors(source, settings, OSError), Path(source).open("rb") as file:
        shutil.copyfileobj(file, target, CHUNK_BYTES)


def _copy_web(source: str, settings: Settings, target: Download) -> None:
    import httpx

    certificates = httpx.create_ssl_context()
    certificates.load_default_certs()  # those of the system, in addition to httpx's
    trust_ca_bundle(certificates)
    version = ""  # of the file, if the server can send its rest

    def copy_rest() -> None:
        nonlocal version
        headers = {"Range": f"bytes={target.size}-", "If-Range": version} if version else {}
        with client.stream("GET", source, headers=headers) as response:
            response.raise_for_status()
            is_rest = response.headers.get("Content-Range", "").startswith(f"bytes {target.size}-")
            if response.status_code != httpx.codes.PARTIAL_CONTENT or not is_rest:
                target.restart()
            version = _get_version(response.headers)
            for chunk in response.iter_bytes():  # as received: a full chunk may never come
                target.write(chunk)

    with (
        raise_source_errors(source, settings, httpx.HTTPError, httpx.InvalidURL),
        httpx.Client(
            follow_redirects=True,
            timeout=settings.ingest.timeout_seconds,
            verify=certificates,
            event_hooks={  # for each redirect too
                "request": [lambda request: check_request(request.url, source, settings)],
                "response": [lambda response: check_connection(response, source, settings)],
            },
        ) as client,
    ):
        target.run(copy_rest, httpx.TransportError)


def _get_version(headers: Mapping[str, str]) -> str:
    """The strong validator of a response (RFC 9110, section 13.1.5); empty if there is none.

    An encoded response has another number of bytes than the file.
    """
    tag = headers.get("ETag", "")
    return "" if tag.startswith("W/") or headers.get("Content-Encoding") else tag


def _copy_s3(source: str, settings: Settings, target: Download) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = source.removeprefix("s3://").partition("/")
    client = s3_client(settings.lake)
    version = ""

    def copy_rest() -> None:
        nonlocal version
        rest = {"Range": f"bytes={target.size}-", "IfMatch": version} if target.size else {}
        try:
            response = client.get_object(Bucket=bucket, Key=key, **rest)
        except ClientError as error:
            if error.response["Error"]["Code"] not in CHANGED_CODES:
                raise
            target.restart()
            response = client.get_object(Bucket=bucket, Key=key)
        version = response["ETag"]
        for chunk in response["Body"].iter_chunks(CHUNK_BYTES):
            target.write(chunk)

    with raise_source_errors(source, settings, BotoCoreError, ClientError):
        try:
            target.run(copy_rest, BotoCoreError)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            raise SourceError(
                f"{source} may not be read with these keys. On a cluster with its own MinIO, add "
                f"{bucket}/{key} to objectStore.sources in the chart's values"
            ) from error


def _copy_google_drive(file_id: str, source: str, settings: Settings, target: Download) -> None:
    import certifi
    import gdown
    import requests

    def copy_again() -> None:
        target.restart()  # gdown cannot continue a stream
        gdown.download(
            id=file_id,
            output=cast("BinaryIO", target),  # gdown calls only `write` and `flush`
            quiet=True,
            use_cookies=False,
            timeout=settings.ingest.timeout_seconds,
            verify=certificates,
        )

    check_listed(GOOGLE_DRIVE, source, settings)
    errors = (requests.RequestException, gdown.exceptions.DownloadError)
    with (
        raise_source_errors(source, settings, *errors),
        bundle_with(certifi.where()) as certificates,
    ):
        target.run(copy_again, requests.RequestException)


@contextlib.contextmanager
def raise_source_errors(
    source: str, settings: Settings, *errors: type[Exception]
) -> Iterator[None]:
    """Raise these errors as SourceError.

    Args:
        source: The source.
        settings: All settings.
        *errors: Exceptions of the library that reads the source.
    """
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
