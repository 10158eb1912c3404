"""A web server that sends one file, whole or damaged."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def serve_file(content: bytes, location: str = "/file") -> Iterator[str]:
    """Serve a file on a free port and yield the server's URL.

    The path decides about the response: `/cut` sends half of the file, `/hang` never responds,
    `/missing` is a 404, `/moved` redirects to `location`, and any other path sends the file.
    """
    stopping = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/hang":
                stopping.wait()
                return
            self.send_response({"/missing": 404, "/moved": 302}.get(self.path, 200))
            self.send_header("Location", location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path == "/cut" else content)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            stopping.set()
            server.shutdown()
            thread.join()
