"""Errors as RFC 9457 problem documents, one shape for all.

Problem              a response with an error status; `detail` says what happened and what to do
├── BadJson          400  the body is not JSON
├── Unauthorized     401  the API key is missing, wrong, expired or revoked
├── BadToken         401  the token of single sign-on is not valid
├── CrossSite        403  a page of another site sent the session's cookie
├── Forbidden        403  the person's role does not allow the request; `roles` lists those that do
├── NotFound         404  unknown model, version or path
├── SlowBody         408  the body did not arrive in time
├── SlowList         408  a CSV list arrives too slowly
├── TooLarge         413  the body exceeds the limit
├── WrongType        415  the route does not accept this content type
├── WrongEncoding    415  the body is compressed
├── Invalid          422  the body does not match the columns file; `errors` lists where
├── TooManyRequests  429  the API key has reached one of its limits
├── Failed           500  the model failed on valid rows
├── Unavailable      503  no model yet, or too many requests
└── Stopped          503  somebody has stopped all answers
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar

from pydantic import BaseModel, Field

from pipeline.times import format_time

MEDIA_TYPE = "application/problem+json"
MAX_FINDINGS = 100
"""Largest number of findings in one response; `detail` says if there are more."""
UNEXPECTED = "Unexpected error; the predictor's log has the details under this X-Request-ID"


class Finding(BaseModel):
    """One error in the input."""

    row: int = Field(description="Index of the row in the request, from 0")
    field: str | None = Field(description="Name of the field; null if the whole row is wrong")
    message: str


class StopFacts(BaseModel):
    """Who stopped all answers."""

    by: str
    at: str = Field(description="ISO 8601")
    reason: str


class ProblemDocument(BaseModel):
    """RFC 9457 problem document, the body of every error."""

    type: str = Field(default="about:blank")
    title: str = Field(description="Reason phrase of the status")
    status: int
    detail: str = Field(description="What happened, and what to do")
    errors: list[Finding] = Field(default=[], description="Errors in the input")
    stopped: StopFacts | None = Field(
        default=None, description="Only if somebody has stopped all answers"
    )
    roles: list[str] | None = Field(
        default=None, description="Only if a role is missing: the roles that allow the request"
    )


class Problem(Exception):
    """An error that is returned to the client; str() is its detail."""

    status: ClassVar[int] = 500
    headers: ClassVar[dict[str, str]] = {}
    state: ClassVar[str] = "The predictor is not ready"
    """What a health route reports instead of the detail if requests need a login."""
    is_body_unread: ClassVar[bool] = False
    """Whether the client may still be sending when it gets the response."""

    def __init__(self, detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.findings = findings

    def body(self) -> bytes:
        return problem_body(self.status, str(self), self.findings)

    def state_body(self) -> bytes:
        """Return the body without any detail, for callers who have not logged in."""
        return problem_body(self.status, self.state)

    def get_headers(self) -> Mapping[str, str]:
        """Return the headers of the response, apart from those that every response has."""
        return self.headers


def problem_body(status: int, detail: str, findings: Sequence[Finding] = ()) -> bytes:
    """Return a problem document as JSON."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": [finding.model_dump() for finding in findings[:MAX_FINDINGS]],
    }
    return json.dumps(content).encode()


class BadJson(Problem):
    status = 400

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is not valid JSON: {reason}")


class Unauthorized(Problem):
    status = 401
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, reason: str = "") -> None:
        """Args: reason: What is wrong with a known key, for its owner; empty otherwise."""
        super().__init__(
            f"{reason or 'The API key is missing or wrong'}; "
            "send `Authorization: Bearer KEY` or `X-API-Key: KEY`"
        )


class CrossSite(Problem):
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "The request does not come from the predictor's own page; programs send "
            "`Authorization: Bearer KEY` instead of a cookie"
        )


class BadToken(Problem):
    status = 401
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

    def __init__(self, reason: str) -> None:
        super().__init__(f"The token is not accepted: {reason}. Log in again")


class Forbidden(Problem):
    status = 403

    def __init__(self, role: str | None, access: str, roles: Sequence[str]) -> None:
        """Refuse a request for which a person lacks a role.

        Args:
            role: The person's role; None for none.
            access: What the route gives access to.
            roles: The roles that allow the request.
        """
        self._roles = list(roles)
        owner = f"The role {role} does not allow" if role else "Your account has no role, and so no"
        super().__init__(
            f"{owner} access to {access}. Ask the operator for one of these roles: "
            f"{', '.join(roles)}"
        )

    def body(self) -> bytes:
        return json.dumps({**json.loads(super().body()), "roles": self._roles}).encode()


class NotFound(Problem):
    status = 404


class SlowBody(Problem):
    status = 408
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__(f"The body did not arrive within {timeout_seconds:g} s")


class SlowList(Problem):
    status = 408
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}

    def __init__(self, pause_seconds: float, bytes_per_second: int) -> None:
        super().__init__(
            f"The list arrives too slowly; send at least {bytes_per_second} bytes per second, "
            f"without a pause over {pause_seconds:g} s"
        )


class TooLarge(Problem):
    status = 413
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}
    is_body_unread: ClassVar[bool] = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes; send it in parts, or as CSV to /predict/csv"
        )


class WrongType(Problem):
    status = 415

    def __init__(self, given: str, accepted: str) -> None:
        super().__init__(f"The content type is {given or 'missing'}; it must be {accepted}")


class WrongEncoding(Problem):
    status = 415
    headers: ClassVar[dict[str, str]] = {"Accept-Encoding": "identity"}

    def __init__(self, given: str) -> None:
        super().__init__(
            f"The Content-Encoding is {given}, which is not supported; send the body uncompressed"
        )


class Invalid(Problem):
    status = 422

    def __init__(
        self, findings: Sequence[Finding], detail: str | None = None, *, count: int | None = None
    ) -> None:
        """Args: count: Number of errors, if `findings` holds only the first ones."""
        total = len(findings) if count is None else count
        more = f" (the first {MAX_FINDINGS} are listed)" if total > MAX_FINDINGS else ""
        super().__init__(detail or f"{total} invalid value(s){more}; see `errors`", findings)


class TooManyRequests(Problem):
    status = 429

    def __init__(self, name: str, limit: int, unit: str, wait_seconds: float) -> None:
        """Args: wait_seconds: How long to wait before the next request."""
        self._retry_after = math.ceil(wait_seconds)
        super().__init__(
            f"The key of {name} may send {limit} {unit} per minute; "
            f"try again in {self._retry_after} s"
        )

    def get_headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self._retry_after)}


class Failed(Problem):
    status = 500


class Unavailable(Problem):
    status = 503
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class Stopped(Problem):
    status = 503
    headers: ClassVar[dict[str, str]] = {"Retry-After": "30"}
    state: ClassVar[str] = "All answers are stopped"

    def __init__(self, by: str, at: str, reason: str) -> None:
        """Args: at: Time of the stop, ISO 8601."""
        self._facts = StopFacts(by=by, at=at, reason=reason)
        super().__init__(
            f"{by} stopped all answers at {format_time(at)}: {reason}. Ask the operator; "
            "predictions work again after the DAG `resume` or `python -m pipeline resume`"
        )

    def body(self) -> bytes:
        return json.dumps(
            {**json.loads(super().body()), "stopped": self._facts.model_dump()}
        ).encode()
