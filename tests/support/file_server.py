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
    `/once` and `/replaced` are cut off at the first request; then `/once` sends the rest that is
    requested, and `/replaced` has another version of the file, which has `content` twice.
    """
    requests: list[str] = []
    stopping = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/hang":
                stopping.wait()
                return
            requests.append(self.path)
            if self.path in ("/once", "/replaced"):
                self.send_range(requests.count(self.path) == 1)
                return
            self.send_response({"/missing": 404, "/moved": 302}.get(self.path, 200))
            self.send_header("Location", location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path == "/cut" else content)

        def send_range(self, is_first: bool) -> None:
            is_other = self.path == "/replaced" and not is_first
            body, tag = (content * 2, '"2"') if is_other else (content, '"1"')
            start = 0
            if "Range" in self.headers and self.headers["If-Range"] == tag:
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(body) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if is_first else body[start:])

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
