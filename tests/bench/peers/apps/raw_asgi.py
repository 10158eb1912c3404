"""The ceiling: an ASGI application that parses its body and returns a constant."""

import json
from typing import Any

HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"26")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if body:
        json.loads(body)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b'{"probability": 0.12}'})
