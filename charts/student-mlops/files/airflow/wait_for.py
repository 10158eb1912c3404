"""Waits until a service takes connections, then becomes the command that needs it: wait_for.py HOST PORT COMMAND..."""

import os
import socket
import sys
import time

LIMIT = 600.0  # seconds; a first start pulls the service's image

host, port, *command = sys.argv[1:]
started = time.monotonic()
while True:
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        break
    except OSError as error:
        if time.monotonic() - started > LIMIT:
            sys.exit(
                f"{host}:{port} took no connection for {LIMIT:.0f} seconds: {error}; see `kubectl get pods` for why"
            )
        time.sleep(1)
sys.stderr.write(f"{host}:{port} is there after {time.monotonic() - started:.0f} seconds\n")
os.execvp(command[0], command)
