"""Open-loop traffic to the predictor: a fixed rate on kept-alive connections.

The rate does not depend on the answers: a slow server gets as many requests as a fast one. A
request ends as answered or failed. If a kept-alive connection was closed before the first byte of
the answer, the request is sent once more on a new connection, as HTTP clients do (RFC 9112,
section 9.3.1): a server may close an idle connection at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

ANSWER_TIMEOUT_SECONDS = 60.0
MAX_REQUESTS = 500_000


@dataclass
class Result:
    """What became of the requests.

    `versions` counts the answers per model version. `inconsistent` counts answers whose header
    and body name different versions.
    """

    answered: int = 0
    resent: int = 0
    inconsistent: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.answered + sum(self.failed.values())

    def get_quantile(self, q: float) -> float:
        """A quantile of the seconds from the time a request was due to its answer."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0

    def __str__(self) -> str:
        latencies = ", ".join(
            f"p{100 * q:g} {1000 * self.get_quantile(q):.1f} ms" for q in (0.5, 0.99, 1)
        )
        return (
            f"{self.answered} of {self.sent} answered ({self.resent} sent twice), "
            f"{latencies}, failed: {dict(self.failed)}"
        )


class Connections:
    """Kept-alive connections to one address."""

    def __init__(
        self, url: str, result: Result, key: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self.result, self.tls = result, tls
        address = urlsplit(url)
        self.host, self.port = address.hostname or "", address.port or 80
        self.fields = f"Host: {self.host}\r\nContent-Type: application/json\r\n"
        if key:
            self.fields += f"Authorization: Bearer {key}\r\n"
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send POST /predict; returns status, headers and body of the answer."""
        head = f"POST /predict HTTP/1.1\r\n{self.fields}Content-Length: {len(body)}\r\n\r\n"
        request = head.encode() + body
        if self.idle:
            try:
                return await self._exchange(*self.idle.pop(), request)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if getattr(error, "partial", b""):
                    raise
                self.result.resent += 1
        connection = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        return await self._exchange(*connection, request)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        keep = False
        try:
            writer.write(request)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")[:-2]
            fields = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            body = await reader.readexactly(int(headers["content-length"]))
            status = int(first.split()[1])
            keep = status == 200 and headers.get("connection", "").lower() != "close"
        finally:
            if keep:
                self.idle.append((reader, writer))
            else:
                writer.close()
        return status, headers, body

    async def close(self) -> None:
        for _, writer in self.idle:
            writer.close()
            with contextlib.suppress(OSError):  # the server may have closed it
                await writer.wait_closed()


async def _send(connections: Connections, body: bytes, due: float) -> None:
    result = connections.result
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            status, headers, answer = await connections.post(body)
    except Exception as error:  # any request without an answer counts as failed
        result.failed[f"{type(error).__name__}: {error}"[:200]] += 1
        return
    if status != 200:
        result.failed[f"{status} {answer[:150].decode(errors='replace')}"] += 1
        return
    version = str(json.loads(answer)["model"]["version"])
    result.inconsistent += version != headers["x-model-version"]
    result.versions[version] += 1
    result.answered += 1
    result.latencies.append(time.monotonic() - due)


async def _send_steadily(
    connections: Connections, body: bytes, rate: float, count: int, stop: threading.Event
) -> None:
    start = time.monotonic()
    tasks: set[asyncio.Task[None]] = set()
    for number in range(count):
        due = start + number / rate
        if (pause := due - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        if stop.is_set():
            break
        task = asyncio.create_task(_send(connections, body, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    await connections.close()


@contextlib.contextmanager
def steady_traffic(
    url: str,
    body: Any,
    key: str = "",
    tls: ssl.SSLContext | None = None,
    /,
    *,
    rate: float,
    seconds: float,
) -> Iterator[Result]:
    """Send traffic while the block runs.

    Args:
        url: The predictor's URL.
        body: The JSON body of each request.
        key: API key of each request; empty for none.
        tls: Authorities that sign the predictor's certificate; None for HTTP.
        rate: Requests per second.
        seconds: Time after which no more requests are sent, even if the block still runs.

    Yields:
        The result, which is complete after the block.
    """
    result, stop = Result(), threading.Event()
    data, count = json.dumps(body).encode(), min(MAX_REQUESTS, int(rate * seconds))

    def work() -> None:
        connections = Connections(url, result, key, tls)
        asyncio.run(_send_steadily(connections, data, rate, count, stop))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join(ANSWER_TIMEOUT_SECONDS + 30)
