"""Log the requests that MinIO refuses, one JSON object per line: audit_log.py PORT.

MinIO sends its audit events to this server, which drops those of requests that were allowed. The
lines contain names only: never a secret, a signature or a header.
"""

import http.server
import json
import re
import signal
import sys
import threading
import time

REFUSING_STATUSES = (401, 403)
EXCHANGES = "AssumeRole"
"""Prefix of the API names of requests for temporary keys. MinIO refuses these also with statuses
other than 401 and 403."""
MAX_EVENT_BYTES = 256 * 1024
"""MinIO refuses headers of more than 8 KiB; an event has those of the request and the response."""
MAX_NAME_LENGTH = 200
INTERVAL_SECONDS = 10.0
MAX_LINES = 20
"""Maximum number of lines per interval and key: no client can fill the log, or hide another one."""


def find_access_key(event):
    """Return the access key that a request names, also if it is unknown or the secret is wrong."""
    if event.get("accessKey"):
        return event["accessKey"]
    headers, query = event.get("requestHeader") or {}, event.get("requestQuery") or {}
    signed = re.search(r"Credential=([^/,\s]+)/", headers.get("Authorization", ""))
    if signed:
        return signed[1]
    return query.get("X-Amz-Credential", "").partition("/")[0]


def describe_refusal(event):
    """Return the fields of the line for an event; None if the request was allowed."""
    api = event.get("api") or {}
    status, name = api.get("statusCode", 0), api.get("name", "")
    if status not in REFUSING_STATUSES and not (name.startswith(EXCHANGES) and status >= 400):
        return None
    names = {
        "access_key": find_access_key(event),
        "api": name,
        "bucket": api.get("bucket", ""),
        "object": api.get("object", ""),
        "remote_host": event.get("remotehost", ""),
    }
    shown = {field: str(value)[:MAX_NAME_LENGTH] for field, value in names.items()}
    return {"time": event.get("time", ""), "message": "refused", "status": status, **shown}


class RefusalLog:
    """Prints each kind of refusal once per interval, and counts the others for the next line.

    Each access key that MinIO has authenticated has its own limit. The requests without one share
    a limit, because a client may invent any number of keys.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds, self._ends, self._unreported = {}, 0.0, 0

    def record(self, key, kind, fields):
        """Print a line with the fields, or count it until the next line.

        Args:
            key: The authenticated access key; empty if there is none.
            kind: Equal refusals have the same kind.
            fields: What to print.
        """
        with self._lock:
            now = self._clock()
            if now >= self._ends:
                self._kinds, self._ends = {}, now + INTERVAL_SECONDS
            kinds = self._kinds.setdefault(key, set())
            if kind in kinds or len(kinds) >= MAX_LINES:
                self._unreported += 1
                return
            kinds.add(kind)
            line = {**fields, "more_since_the_last_line": self._unreported}
            self._unreported = 0
            print(json.dumps(line), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """Accepts every body: MinIO would send a refused one again, and the later ones after it."""

    protocol_version = "HTTP/1.1"
    log = RefusalLog()

    def do_POST(self):
        remaining = int(self.headers.get("Content-Length", 0))
        while remaining > 0:
            line = self.rfile.readline(min(remaining, MAX_EVENT_BYTES))
            if not line:
                break
            remaining -= len(line)
            self.record(line)
        self.do_GET()

    def do_GET(self):
        """Respond to a probe."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def record(self, line):
        """Log an event if it is a refusal."""
        try:
            event = json.loads(line) if line.strip() else {}
            refusal = describe_refusal(event)
        except (ValueError, TypeError, AttributeError):
            self.log.record("", "dropped", {"message": "an event of another format was dropped"})
            return
        if refusal:
            kind = tuple(refusal[field] for field in ("status", "access_key", "api", "bucket"))
            self.log.record(str(event.get("accessKey") or ""), kind, refusal)

    def log_message(self, *arguments):
        """Log no line per request."""


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # process 1 has no default action
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
