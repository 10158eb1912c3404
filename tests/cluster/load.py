"""Steady requests to the predictor: a fixed rate, kept connections, bounded in time and number.

The rate does not wait for answers, as students do not: a server that is slow for a moment gets the same requests. Every
request has one of three ends: answered, failed (with what was seen), or, when a kept connection turned out to be closed
before a byte of an answer came, sent once more on a new one, as every HTTP client does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

SECONDS_FOR_AN_ANSWER = 20.0
MOST_REQUESTS = 500_000


@dataclass
class Result:
    """`versions` are those that answers named; `torn` counts answers whose header and body named two."""

    answered: int = 0
    resent: int = 0
    torn: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.answered + sum(self.failed.values())

    def quantile(self, share: float) -> float:
        """Seconds from when a request was due to its answer."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def __str__(self) -> str:
        milliseconds = " ".join(
            f"p{100 * share:g} {1000 * self.quantile(share):.1f} ms" for share in (0.5, 0.99)
        )
        return f"{self.answered} of {self.sent} answered ({self.resent} sent twice), {milliseconds}, failed: {dict(self.failed)}"


class Connections:
    """Idle kept connections to one address, and what became of the requests on them."""

    def __init__(self, url: str, result: Result) -> None:
        self.result = result
        place = urlsplit(url)
        self.host, self.port = place.hostname or "", place.port or 80
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer to POST /predict."""
        head = f"POST /predict HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        while self.idle:
            reader, writer = self.idle.pop()
            try:
                return await self._exchange(reader, writer, request)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                writer.close()
                if getattr(error, "partial", b""):
                    raise
                self.result.resent += 1
                break
        reader, writer = await asyncio.open_connection(self.host, self.port)
        return await self._exchange(reader, writer, request)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")[:-2]
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self.idle.append((reader, writer))
        return int(first.split()[1]), headers, body


async def _one(connections: Connections, body: bytes, due: float) -> None:
    result = connections.result
    try:
        async with asyncio.timeout(SECONDS_FOR_AN_ANSWER):
            status, headers, answer = await connections.ask(body)
    except (
        Exception
    ) as error:  # whatever it is, a request that got no answer is what is counted here
        result.failed[f"{type(error).__name__}: {error}"[:200]] += 1
        return
    if status != 200:
        result.failed[f"{status} {answer[:150].decode(errors='replace')}"] += 1
        return
    version = str(json.loads(answer)["model"]["version"])
    result.torn += version != headers["x-model-version"]
    result.versions[version] += 1
    result.answered += 1
    result.latencies.append(time.monotonic() - due)


async def _steady(
    connections: Connections, body: bytes, rate: float, count: int, stop: threading.Event
) -> None:
    began = time.monotonic()
    work: set[asyncio.Task[None]] = set()
    for number in range(count):
        due = began + number / rate
        if (pause := due - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        if stop.is_set():
            break
        task = asyncio.create_task(_one(connections, body, due))
        work.add(task)
        task.add_done_callback(work.discard)
    await asyncio.gather(*work)
    for _, writer in connections.idle:
        writer.close()


@contextlib.contextmanager
def steady(url: str, body: Any, rate: float, seconds: float) -> Iterator[Result]:
    """`rate` requests a second while the block runs, for `seconds` at most; the result is whole after the block."""
    result, stop = Result(), threading.Event()
    data, count = json.dumps(body).encode(), min(MOST_REQUESTS, int(rate * seconds))
    thread = threading.Thread(
        target=lambda: asyncio.run(_steady(Connections(url, result), data, rate, count, stop))
    )
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join(SECONDS_FOR_AN_ANSWER + 10)
