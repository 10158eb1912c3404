"""The registry, read over MLflow's REST interface with the standard library alone: every wait and every size is bounded."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from pipeline.errors import RegistryError
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, ONNX, Bundle, Manifest, verify_files
from pipeline.storage.lake import sha256_hex
from pipeline.tracking.registry import MANIFEST_TAG, Version

MAX_ANSWER = 1_000_000
MAX_ARTIFACT = 500_000_000
ARTIFACT_SECONDS = 120
"""Bound on the download of one artifact; each pause in it is bounded as an answer is."""


class RestRegistry:
    """One registered model of the tracking server at `url`."""

    def __init__(self, url: str, name: str, seconds: float) -> None:
        self._url = url.rstrip("/")
        self._name = name
        self._seconds = seconds

    def get_by_alias(self, alias: str) -> Version | None:
        """The version that carries `alias`, or None.

        Raises:
            RegistryError: the server is away or answers otherwise.
        """
        query = urllib.parse.urlencode({"name": self._name, "alias": alias})
        try:
            answer = self._get(
                f"/api/2.0/mlflow/registered-models/alias?{query}", MAX_ANSWER, self._seconds
            )
            found = json.loads(answer)["model_version"]
            tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}
            return Version(str(found["version"]), str(found["run_id"]), tags)
        except _NoSuch:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError(
                f"MLflow at {self._url} answered what is no model version: {error!r}"
            ) from error

    def bundle(self, version: Version) -> Bundle:
        """The version's manifest and ONNX file, each of the hash that the version, or the manifest, says.

        Raises:
            RegistryError: the server is away, or the version has no manifest or not the one that was registered.
            LakeError: the model's hash is not the manifest's.
        """
        place = f"version {version.number} of {self._name}"
        raw = self._artifact(version.run_id, MANIFEST, place)
        registered = version.tags.get(MANIFEST_TAG)
        if sha256_hex(raw) != registered:
            raise RegistryError(
                f"{place}: the manifest has the hash {sha256_hex(raw)}, its tag {MANIFEST_TAG} says {registered}"
            )
        manifest = Manifest(**json.loads(raw))
        if (manifest.version, manifest.run_id) != (version.number, version.run_id):
            raise RegistryError(
                f"{place}: the manifest is that of version {manifest.version}, run {manifest.run_id}"
            )
        return verify_files(manifest, {ONNX: self._artifact(version.run_id, ONNX, place)}, place)

    def _artifact(self, run_id: str, name: str, place: str) -> bytes:
        query = urllib.parse.urlencode({"run_uuid": run_id, "path": f"{ARTIFACT_FOLDER}/{name}"})
        try:
            return self._get(f"/get-artifact?{query}", MAX_ARTIFACT, ARTIFACT_SECONDS)
        except _NoSuch as error:
            raise RegistryError(
                f"{place}: run {run_id} has no artifact {ARTIFACT_FOLDER}/{name}"
            ) from error

    def _get(self, path: str, limit: int, seconds: float) -> bytes:
        """The body at `path`, of at most `limit` bytes, within `seconds`.

        Raises:
            _NoSuch: the server says that there is no such thing.
            RegistryError: anything else.
        """
        deadline = time.monotonic() + seconds
        try:
            with urllib.request.urlopen(self._url + path, timeout=self._seconds) as response:  # noqa: S310 - settings ask http(s)
                return _read(response, limit, deadline)
        except urllib.error.HTTPError as error:
            said = error.read(MAX_ANSWER).decode(errors="replace")
            if error.code == 404 or _code_of(said) in (
                "RESOURCE_DOES_NOT_EXIST",
                "INVALID_PARAMETER_VALUE",
            ):
                raise _NoSuch from error
            raise RegistryError(
                f"MLflow at {self._url} answered {error.code}: {said[:200]}"
            ) from error
        except OSError as error:
            raise RegistryError(f"MLflow at {self._url} is away: {error}") from error
        except Exception as error:  # http.client's own: a broken answer
            if isinstance(error, RegistryError):
                raise
            raise RegistryError(f"MLflow at {self._url} answered nonsense: {error!r}") from error


class _NoSuch(Exception):
    """The server answered that there is no such thing."""


def _read(response: Any, limit: int, deadline: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(1 << 20):
        data += chunk
        if len(data) > limit:
            raise RegistryError(f"MLflow sends more than {limit} bytes for {response.url}")
        if time.monotonic() > deadline:
            raise RegistryError(f"MLflow took too long to send {response.url}")
    return bytes(data)


def _code_of(body: str) -> str | None:
    try:
        return str(json.loads(body)["error_code"])
    except (ValueError, KeyError, TypeError):
        return None
