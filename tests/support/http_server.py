"""A small HTTP server whose responses a test decides."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request that the server received."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """A response: text and bytes are sent unchanged, any other content as JSON."""

    status: int
    content: Any


Handler = Callable[[Request], Response]


@contextlib.contextmanager
def serve(
    handle: Handler,
    address: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Run a server; yields its URL. `handle` is called in one thread per connection."""
    server = ThreadingHTTPServer((address, port), _handler_class(handle))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler_class(handle: Handler) -> type[BaseHTTPRequestHandler]:
    class HandlerClass(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def do_PUT(self) -> None:
            self._respond()

        def do_DELETE(self) -> None:
            self._respond()

        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
            response = handle(request)
            content = response.content
            if isinstance(content, bytes):
                data = content
            else:
                text = content if isinstance(content, str) else json.dumps(content)
                data = text.encode()
            self.send_response(response.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    return HandlerClass
