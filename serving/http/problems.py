"""What the API answers instead of a prediction: RFC 9457 problem documents, one shape for every error.

Problem              an answer with a status; `detail` says what happened and what to do
├── BadJson          400  the body is no JSON
├── Unauthorized     401  the API key is missing or wrong
├── NotFound         404  no such model, version or path
├── SlowBody         408  the body did not arrive in time
├── TooLarge         413  the body is larger than the limit
├── WrongType        415  the body is of a content type that is not read here
├── Invalid          422  the body is readable but not what columns.py says; `errors` lists where
├── Failed           500  the model failed on valid rows
└── Unavailable      503  no model yet, or too many requests in work
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"
MAX_FINDINGS = 100
"""Findings listed in one answer; that there are more is said in `detail`."""


class Finding(BaseModel):
    """One thing wrong with the input."""

    row: int = Field(description="Index of the row in the request, from 0")
    field: str | None = Field(
        description="Name of the field; null where the row as a whole is wrong"
    )
    message: str


class ProblemDocument(BaseModel):
    """RFC 9457: the shape of every error."""

    type: str = Field(default="about:blank")
    title: str = Field(description="The status in words")
    status: int
    detail: str = Field(description="What happened, and what to do")
    errors: list[Finding] = Field(default=[], description="Where the input is wrong")


class Problem(Exception):
    """An error that is answered; str() is its detail."""

    status: ClassVar[int] = 500
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.findings = findings

    def body(self) -> bytes:
        return body_of(self.status, str(self), self.findings)


def body_of(status: int, detail: str, findings: Sequence[Finding] = ()) -> bytes:
    """A problem document's JSON."""
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
        super().__init__(f"The body is no JSON: {reason}")


class Unauthorized(Problem):
    status = 401
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self) -> None:
        super().__init__(
            "The API key is missing or wrong; send `Authorization: Bearer KEY` or `X-API-Key: KEY`"
        )


class NotFound(Problem):
    status = 404


class SlowBody(Problem):
    status = 408
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:g} s")


class TooLarge(Problem):
    status = 413
    headers: ClassVar[dict[str, str]] = {
        "Connection": "close"
    }  # the rest of the body is not waited for

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes; send it in parts, or a class list to /predict/csv"
        )


class WrongType(Problem):
    status = 415

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(f"The content type is {given or 'missing'}; it must be {wanted}")


class Invalid(Problem):
    status = 422

    def __init__(self, findings: Sequence[Finding], detail: str | None = None) -> None:
        more = (
            f", of which the first {MAX_FINDINGS} are listed"
            if len(findings) > MAX_FINDINGS
            else ""
        )
        super().__init__(
            detail
            or f"{len(findings)} value(s) cannot be taken{more}; `errors` says which and why",
            findings,
        )


class Failed(Problem):
    status = 500


class Unavailable(Problem):
    status = 503
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}
