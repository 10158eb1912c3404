"""Wait until a service accepts connections, then run a command: wait_for.py HOST PORT COMMAND..."""

import os
import socket
import sys
import time

from pipeline.polling import poll_until

TIMEOUT_SECONDS = 600.0  # the first start pulls the service's image
INTERVAL_SECONDS = 1.0

host, port, *command = sys.argv[1:]
last_error = {}


def connect():
    """Return True if the service accepts a connection, else None."""
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        last_error["reason"] = error
        return None
    return True


start = time.monotonic()
if not poll_until(connect, timeout_seconds=TIMEOUT_SECONDS, interval_seconds=INTERVAL_SECONDS):
    sys.exit(
        f"{host}:{port} did not accept a connection within {TIMEOUT_SECONDS:.0f} s: "
        f"{last_error['reason']}. Check its pod with `kubectl get pods`."
    )
sys.stderr.write(f"{host}:{port} accepts connections after {time.monotonic() - start:.0f} s\n")
os.execvp(command[0], command)
