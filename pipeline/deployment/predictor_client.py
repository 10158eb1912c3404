"""Query the running predictors.

The host of the predictor's URL can have several addresses, each of another process. The functions
here connect to each address instead of the host.
"""

from __future__ import annotations

import json
import math
import re
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from pipeline.columns import FEATURES
from pipeline.http_client import open_client
from pipeline.polling import poll_until
from pipeline.settings import Settings

T = TypeVar("T")

ERROR_COUNTER = re.compile(r"^predictor_errors_total(?:\{[^}]*\})? (\S+)", re.MULTILINE)
"""A sample of the counter of failed predictions on the `/metrics` page."""

BUSY_STATUSES = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
"""Responses of a predictor that is starting, stopping or overloaded; the request can be retried."""

MAX_PARALLEL_REQUESTS = 16


class Unreachable(Exception):
    """A predictor did not respond, or is busy; the request can be retried."""


class Refused(Unreachable):
    """A predictor responded with an error or with something that is not JSON."""


def to_request_row(row: Sequence[float]) -> dict[str, float | int | None]:
    """Convert a row to an item of a request to `/predict`.

    Args:
        row: One value per feature, in the order of the features; categories as codes, NaN for a
            blank.

    Returns:
        The values by feature name, whole numbers without a decimal point, None for a blank.
    """
    return {
        feature.name: None if math.isnan(value) else int(value) if feature.is_integer else value
        for feature, value in zip(FEATURES, row, strict=True)
    }


@dataclass(frozen=True)
class Replica:
    """One predictor process.

    Attributes:
        url: URL of the predictor, which all replicas share.
        address: IP address of this replica.
        timeout_seconds: Timeout of a request.
        api_key: API key of the predictor; empty for none.
        metrics_port: Port of `/metrics`; None for that of the URL.
    """

    url: httpx.URL
    address: str
    timeout_seconds: float
    api_key: str = field(default="", repr=False)
    metrics_port: int | None = None

    def request(self, path: str, body: Any = None, *, port: int | None = None) -> bytes:
        """Send a request to this replica.

        Args:
            path: Path and query string.
            body: Value to POST as JSON; None sends a GET request.
            port: Port to send it to; None for that of the URL.

        Returns:
            The body of the response.

        Raises:
            Unreachable: If there was no response, or the replica is busy.
            Refused: If the status of the response is not 200.
        """
        url = self.url.copy_with(host=self.address, raw_path=path.encode())
        if port is not None:
            url = url.copy_with(port=port)
        try:
            with open_client(self.timeout_seconds, api_key=self.api_key) as client:
                # The connection goes to the address; Host header and certificate name the host.
                response = client.request(
                    "GET" if body is None else "POST",
                    url,
                    json=body,
                    headers={"Host": self.url.netloc.decode()},
                    extensions={"sni_hostname": self.url.host},
                )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{path} of {self.address}: {reason}") from error
        if response.status_code in BUSY_STATUSES:
            raise Unreachable(self._describe(path, response))
        if response.status_code != httpx.codes.OK:
            raise Refused(self._describe(path, response))
        return response.content

    def _describe(self, path: str, response: httpx.Response) -> str:
        text = response.content[:200].decode(errors="replace")
        return f"{path} of {self.address} returned {response.status_code}: {text}"

    def request_json(self, path: str, body: Any = None) -> dict[str, Any]:
        """Send a request whose response is a JSON object; see `request`.

        Raises:
            Unreachable: If there was no response, or the replica is busy.
            Refused: If the response is an error or not a JSON object.
        """
        content = self.request(path, body)
        try:
            document = json.loads(content)
        except ValueError as error:
            raise Refused(
                f"{path} of {self.address} did not return JSON: {content[:200]!r}"
            ) from error
        if not isinstance(document, dict):
            raise Refused(
                f"{path} of {self.address} did not return a JSON object: {content[:200]!r}"
            )
        return document

    def get_model(self) -> dict[str, Any]:
        """Return the description of the model that the replica serves, from `/model`."""
        return self.request_json("/model")

    def read_metrics(self) -> str:
        """Return the replica's metrics, which need neither a model nor a key."""
        return self.request("/metrics", port=self.metrics_port).decode(errors="replace")

    def get_version(self) -> str:
        """Return the version that the replica serves."""
        return str(self.get_model().get("version"))

    def count_errors(self) -> float:
        """Return the number of failed predictions since the process started."""
        page = self.read_metrics()
        return sum(float(value) for value in ERROR_COUNTER.findall(page))


def find_replicas(settings: Settings) -> list[Replica]:
    """Resolve the host of `predictor.url`.

    Returns:
        One replica per address, sorted by address; an empty list if the host is unknown.
    """
    url = httpx.URL(settings.predictor.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    addresses = sorted({str(address[0]) for *_, address in found})
    timeout_seconds = settings.deployment.request_timeout_seconds
    api_key = settings.predictor.api_key.get_secret_value()
    metrics_port = settings.predictor.metrics_port
    return [Replica(url, address, timeout_seconds, api_key, metrics_port) for address in addresses]


def request_all(
    replicas: Sequence[Replica], request: Callable[[Replica], T]
) -> dict[Replica, T | Unreachable]:
    """Call a function with each replica, in parallel.

    Args:
        replicas: The replicas.
        request: The function; an Unreachable that it raises becomes the replica's result.

    Returns:
        For each replica, what the function returned, or the Unreachable that it raised.
    """

    def call(replica: Replica) -> T | Unreachable:
        try:
            return request(replica)
        except Unreachable as error:
            return error

    with ThreadPoolExecutor(MAX_PARALLEL_REQUESTS) as pool:
        return dict(zip(replicas, pool.map(call, replicas), strict=True))


def wait_for_rollout(settings: Settings, version: str) -> str | None:
    """Wait until every predictor serves a version.

    Args:
        settings: Where the predictors are, and how long to wait for them.
        version: Number of the version.

    Returns:
        None once all serve it. Otherwise a sentence with the predictors that did not serve it
        within `deployment.rollout_timeout_seconds`.
    """
    versions: dict[Replica, str | Unreachable] = {}

    def is_complete() -> bool | None:
        nonlocal versions
        versions = request_all(find_replicas(settings), Replica.get_version)
        return True if versions and set(versions.values()) == {version} else None

    timeout_seconds = settings.deployment.rollout_timeout_seconds
    if poll_until(
        is_complete,
        timeout_seconds=timeout_seconds,
        interval_seconds=settings.deployment.poll_interval_seconds,
    ):
        return None
    if not versions:
        return (
            f"no predictor was found: the host of {settings.predictor.url} has no address "
            "(MLOPS_PREDICTOR__URL)"
        )
    states = [
        str(found)
        if isinstance(found, Unreachable)
        else f"{replica.address} serves version {found}"
        for replica, found in versions.items()
        if found != version
    ]
    return (
        f"after {timeout_seconds:g} s not every predictor serves version {version}: "
        f"{'; '.join(states)}"
    )
