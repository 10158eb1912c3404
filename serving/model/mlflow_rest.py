"""Reads the model registry through MLflow's REST API with the standard library.

Every request has a limit on its time and on the size of its response.
"""

from __future__ import annotations

import json
import ssl
import urllib.parse
from http import HTTPStatus

from pipeline.errors import RegistryError
from pipeline.model.bundle import (
    ARTIFACT_FOLDER,
    MANIFEST,
    ONNX,
    REFITS,
    Bundle,
    Manifest,
    verify_files,
)
from pipeline.storage.lake import sha256_hex
from pipeline.tls import trust_ca_bundle
from pipeline.tracking.login import describe_refusal, get_authorization
from pipeline.tracking.registry import MANIFEST_TAG, NOT_FOUND, Version
from serving.http.download import DownloadError, Limits, download

MAX_RESPONSE_BYTES = 1_000_000
MAX_ARTIFACT_BYTES = 500_000_000
ARTIFACT_TIMEOUT_SECONDS = 120
"""Timeout of a whole download; each pause in it is limited by the request timeout."""


class RestRegistry:
    """One registered model of an MLflow server."""

    def __init__(self, url: str, name: str, timeout_seconds: float) -> None:
        self._url = url.rstrip("/")
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._tls = trust_ca_bundle(ssl.create_default_context())
        self._authorization = get_authorization()

    def get_by_alias(self, alias: str) -> Version | None:
        """Return the version with this alias, or None.

        Raises:
            RegistryError: If the server is unreachable or sends an invalid response.
        """
        query = urllib.parse.urlencode({"name": self._name, "alias": alias})
        try:
            response = self._get(
                f"/api/2.0/mlflow/registered-models/alias?{query}",
                MAX_RESPONSE_BYTES,
                self._timeout_seconds,
            )
            found = json.loads(response)["model_version"]
            tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}
            return Version(str(found["version"]), str(found["run_id"]), tags)
        except _NotFound:
            return None
        except _ForbiddenError:  # also the response for a model that does not exist yet
            if self._exists():
                raise
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError(
                f"MLflow at {self._url} sent an invalid model version: {error!r}"
            ) from error

    def _exists(self) -> bool:
        """Whether the registered model exists."""
        query = urllib.parse.urlencode({"name": self._name})
        path = f"/api/2.0/mlflow/registered-models/get?{query}"
        try:
            self._get(path, MAX_RESPONSE_BYTES, self._timeout_seconds)
        except _NotFound:
            return False
        return True

    def bundle(self, version: Version) -> Bundle:
        """Download a version's manifest and ONNX files and verify their hashes.

        Raises:
            RegistryError: If the server is unreachable, or the manifest is missing or is not the
                registered one.
            LakeError: If the hash of a file differs from the manifest's.
        """
        source = f"version {version.number} of {self._name}"
        raw = self._artifact(version.run_id, MANIFEST, source)
        registered = version.tags.get(MANIFEST_TAG)
        if sha256_hex(raw) != registered:
            raise RegistryError(
                f"{source}: the manifest has the hash {sha256_hex(raw)}, "
                f"its tag {MANIFEST_TAG} says {registered}"
            )
        manifest = Manifest(**json.loads(raw))
        if (manifest.version, manifest.run_id) != (version.number, version.run_id):
            raise RegistryError(
                f"{source}: the manifest is that of version {manifest.version}, "
                f"run {manifest.run_id}"
            )
        names = [ONNX, REFITS] if REFITS in manifest.files else [ONNX]
        files = {name: self._artifact(version.run_id, name, source) for name in names}
        return verify_files(manifest, files, source)

    def _artifact(self, run_id: str, name: str, source: str) -> bytes:
        query = urllib.parse.urlencode({"run_uuid": run_id, "path": f"{ARTIFACT_FOLDER}/{name}"})
        try:
            return self._get(f"/get-artifact?{query}", MAX_ARTIFACT_BYTES, ARTIFACT_TIMEOUT_SECONDS)
        except _NotFound as error:
            raise RegistryError(
                f"{source}: run {run_id} has no artifact {ARTIFACT_FOLDER}/{name}"
            ) from error

    def _get(self, path: str, max_bytes: int, timeout_seconds: float) -> bytes:
        """Return the body at `path`.

        Raises:
            _NotFound: If the server reports that it does not exist.
            RegistryError: If the request fails otherwise.
        """
        limits = Limits(max_bytes, self._timeout_seconds, timeout_seconds)
        try:
            response = download(self._url + path, limits, self._tls, self._authorization)
        except OSError as error:
            raise RegistryError(f"MLflow at {self._url} is unreachable: {error}") from error
        except DownloadError as error:
            raise RegistryError(f"MLflow: {error}") from error
        status = response.status
        if status == HTTPStatus.OK:
            return response.body
        body = response.body.decode(errors="replace")
        if status == HTTPStatus.NOT_FOUND or _error_code(body) in NOT_FOUND:
            raise _NotFound
        if refusal := describe_refusal(status, self._url):
            raise (_ForbiddenError if status == HTTPStatus.FORBIDDEN else RegistryError)(refusal)
        raise RegistryError(f"MLflow at {self._url} responded with {status}: {body[:200]}")


class _NotFound(Exception):
    """The server reports that something does not exist."""


class _ForbiddenError(RegistryError):
    """The server reports that the login lacks a permission."""


def _error_code(body: str) -> str | None:
    try:
        return str(json.loads(body)["error_code"])
    except (ValueError, KeyError, TypeError):
        return None
