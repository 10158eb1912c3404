"""The requests of docs/reference/roles.md, by the part of the platform and the row of its table.

The tests send them to a part that runs on this machine, and on a cluster to all parts through the
login. No request has an effect that matters: what it names does not exist, or it sets what is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

REFUSALS = (401, 403, 404)


class Response(Protocol):
    """The response of any HTTP client."""

    @property
    def status_code(self) -> int: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        method: Its method.
        path: Its path, from the root of the server.
        body: Its body, a value for JSON or a text; None for no body.
        headers: Its headers.
        allowed: Statuses of this request, beyond those of success, if it is not refused.
        contains: What the response contains if it is not refused.
    """

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] | None = None
    allowed: tuple[int, ...] = ()
    contains: str = ""

    def fill(self, **names: str) -> Call:
        """Return the request with these values for the `{name}`s in its path and its body."""
        return replace(
            self,
            path=_fill(self.path, names),
            body=_fill(self.body, names),
            contains=_fill(self.contains, names),
        )

    def get_options(self) -> dict[str, Any]:
        """Return the options with which httpx sends the request."""
        options: dict[str, Any] = {"headers": dict(self.headers or {})}
        if self.body is not None:
            options["content" if isinstance(self.body, str) else "json"] = self.body
        return options

    def describe(self, response: Response) -> str:
        """Return the cell of the page for a response: `yes`, or the status that refuses.

        Raises:
            AssertionError: If the request failed for another reason than the caller's rights.
        """
        status = response.status_code
        if status in REFUSALS and status not in self.allowed:
            return str(status)
        shown = f"{self.method} {self.path} returned {status}: {response.text[:500]}"
        assert 200 <= status < 300 or status in self.allowed, shown
        assert self.contains in response.text, shown
        return "yes"


Rows = Mapping[str, tuple[Call, ...]]
"""The requests of each row of a table. Those of one row have the same result."""


def _fill(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
    return value
