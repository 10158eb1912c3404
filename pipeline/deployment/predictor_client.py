"""Asks the live predictors: every address that the predictor's URL resolves to, each a process of its own."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pipeline.settings import Settings

Answer = TypeVar("Answer")

ERRORS = "predictor_errors_total"
"""The predictor's counter of failed predictions."""
SAMPLE = re.compile(rf"^{ERRORS}(?:\{{[^}}]*\}})? (\S+)", re.MULTILINE)


BUSY = (429, 503)
"""Answers of a predictor that is starting, stopping or full, and may be asked again."""


class Unreachable(Exception):
    """A predictor does not answer now; str() says how."""


class Refused(Unreachable):
    """A predictor answered, but not as one does that works; str() says how."""


@dataclass(frozen=True)
class Replica:
    """One predictor: a host's name, one address of it, the bound on a request in seconds, and the key it asks for."""

    host: str
    port: int
    address: str
    tls: bool
    seconds: float
    api_key: str = field(default="", repr=False)

    def ask(self, path: str, body: Any = None) -> bytes:
        """What it answers to a GET of `path`, or to a POST of `body` as JSON.

        Raises:
            Unreachable: no answer, or that it is busy.
            Refused: any other status than 200.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.seconds)
        try:
            # The connection goes to this one address; the request names the host, as its certificate does.
            connection.sock = socket.create_connection((self.address, self.port), self.seconds)
            if self.tls:
                connection.sock = ssl.create_default_context().wrap_socket(
                    connection.sock, server_hostname=self.host
                )
            data = None if body is None else json.dumps(body).encode()
            headers = {"Content-Type": "application/json"} if data else {}
            if self.api_key:
                headers["Authorization"] = f"Bearer {self.api_key}"
            connection.request("GET" if body is None else "POST", path, data, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{path} of {self.address}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            kind = Unreachable if answer.status in BUSY else Refused
            raise kind(
                f"{path} of {self.address} answered {answer.status}: {content[:200].decode(errors='replace')}"
            )
        return content

    def request_json(self, path: str, body: Any = None) -> dict[str, Any]:
        """The same, read as a JSON object."""
        content = self.ask(path, body)
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise Refused(
                f"{path} of {self.address} did not answer JSON: {content[:200]!r}"
            ) from error
        if not isinstance(answer, dict):
            raise Refused(
                f"{path} of {self.address} did not answer a JSON object: {content[:200]!r}"
            )
        return answer

    def model(self) -> dict[str, Any]:
        """What `/model` says it serves."""
        return self.request_json("/model")

    def errors(self) -> float:
        """Failed predictions since the process started."""
        return sum(
            float(value) for value in SAMPLE.findall(self.ask("/metrics").decode(errors="replace"))
        )


def find_replicas(settings: Settings) -> list[Replica]:
    """Every predictor behind `predictor.url`, in the order of addresses; none when its name is unknown."""
    url = urlsplit(settings.predictor.url)
    host, tls = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if tls else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    addresses = sorted({str(address[0]) for *_, address in found})
    seconds, key = (
        settings.deployment.request_timeout_seconds,
        settings.predictor.api_key.get_secret_value(),
    )
    return [Replica(host, port, address, tls, seconds, key) for address in addresses]


def request_all(
    asked: Sequence[Replica], question: Callable[[Replica], Answer]
) -> dict[Replica, Answer | Unreachable]:
    """The answer of each, asked at the same time; an Unreachable where there was none."""

    def answer(replica: Replica) -> Answer | Unreachable:
        try:
            return question(replica)
        except Unreachable as error:
            return error

    with ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(asked, pool.map(answer, asked), strict=True))


def wait_for_rollout(settings: Settings, version: str) -> str | None:
    """Waits until every predictor serves `version`; a sentence on those that did not within `deployment.rollout_timeout_seconds`."""
    end = time.monotonic() + settings.deployment.rollout_timeout_seconds
    while True:
        asked = find_replicas(settings)
        answers = request_all(asked, lambda replica: str(replica.model().get("version")))
        late = {replica: answer for replica, answer in answers.items() if answer != version}
        if asked and not late:
            return None
        if time.monotonic() > end:
            break
        time.sleep(settings.deployment.poll_interval_seconds)
    if not asked:
        return f"no predictor was found: the host of {settings.predictor.url} (MLOPS_PREDICTOR__URL) has no address"
    states = [
        str(answer)
        if isinstance(answer, Unreachable)
        else f"{replica.address} serves version {answer}"
        for replica, answer in late.items()
    ]
    return f"after {settings.deployment.rollout_timeout_seconds:g} s not every predictor serves version {version}: {'; '.join(states)}"


@dataclass(frozen=True)
class ShadowTraffic:
    """How a version did beside production on live rows; `agreement` is the share that it answered alike."""

    rows: int
    agreement: float


def get_shadow_traffic(settings: Settings, version: str) -> ShadowTraffic | None:
    """The shadow traffic of `version` over all predictors, or None: there is none, or no predictor to ask yet."""
    rows, alike = 0, 0.0
    for answer in request_all(find_replicas(settings), Replica.model).values():
        shadow = None if isinstance(answer, Unreachable) else answer.get("shadow")
        if (
            isinstance(shadow, dict)
            and str(shadow.get("version")) == version
            and shadow.get("rows")
        ):
            rows += int(shadow["rows"])
            alike += int(shadow["rows"]) * float(shadow["agreement"])
    return ShadowTraffic(rows, alike / rows) if rows else None
