"""Parsing of JSON bodies into rows; bodies that are far too large are refused before that."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated, Any

from pydantic import Field, RootModel, TypeAdapter, ValidationError

from pipeline.columns import FEATURES, HAS_BLANKS
from serving.http.problems import MAX_FINDINGS, BadJson, Finding, Invalid
from serving.http.rows import Row, RowModel, to_row

LARGE_BODY = 8_192
"""Bytes from which a JSON body is checked before it is parsed; smaller ones cost little."""
SPARE = 100
"""Keys, arrays and objects allowed beyond those of the rows."""


class Reader:
    """Parses rows from JSON text or from dictionaries."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        many: Any = Annotated[list[RowModel], Field(min_length=1, max_length=max_rows)]
        self.body: Any = RootModel[RowModel | many]
        """Model of the body, for the OpenAPI document."""
        validator = TypeAdapter(many).validator
        self._validate_one = TypeAdapter(RowModel).validator.validate_json
        self._validate_many = validator.validate_json
        self._validate_records = validator.validate_python

    def rows(self, body: bytes) -> list[Row]:
        """Parse a JSON object, or an array of them.

        Raises:
            BadJson: If the body is not JSON.
            Invalid: If a value does not match the columns file, or a key occurs twice.
        """
        listed = body.lstrip(b" \t\n\r")[:1] == b"["
        if len(body) > LARGE_BODY:
            refuse_oversized(body, self._max_rows if listed else 1)
        try:
            validated = self._validate_many(body) if listed else (self._validate_one(body),)
        except ValidationError as error:
            raise _to_problem(error) from None
        # The JSON parser accepts repeated keys. A valid row has one colon per key and none
        # elsewhere, so a cheap count finds the few bodies that need a closer look.
        keys = (
            sum(len(row.model_fields_set) for row in validated)
            if HAS_BLANKS
            else len(FEATURES) * len(validated)
        )
        if body.count(b":") != keys:
            refuse_repeated_keys(body)
        return [to_row(row) for row in validated]

    def records(self, records: list[dict[str, Any]]) -> list[Row]:
        """Read rows given as dictionaries.

        Raises:
            Invalid: If a value does not match the columns file.
        """
        try:
            return [to_row(row) for row in self._validate_records(records)]
        except ValidationError as error:
            raise _to_problem(error) from None


def _to_problem(error: ValidationError) -> BadJson | Invalid:
    findings = []
    items = error.errors(include_url=False, include_context=False, include_input=False)
    for item in islice(items, MAX_FINDINGS):
        if item["type"] == "json_invalid":
            return BadJson(item["msg"].removeprefix("Invalid JSON: "))
        row = next((part for part in item["loc"] if isinstance(part, int)), 0)
        field = next((part for part in item["loc"] if isinstance(part, str)), None)
        findings.append(Finding(row=row, field=field, message=item["msg"]))
    return Invalid(findings, count=len(items))


def refuse_oversized(body: bytes, max_rows: int) -> None:
    """Refuse JSON with far more keys, values, arrays or objects than `max_rows` rows have.

    The parser would build all of them, and validation an error for each, before a limit on the
    number of rows applies. Punctuation in strings counts too, so the bounds are generous.

    Raises:
        Invalid: If the body has too many.
    """
    width = len(FEATURES)
    is_oversized = (
        body.count(b":") > 2 * width * max_rows + SPARE
        or body.count(b",") > 4 * width * max_rows + SPARE
        or body.count(b"{") + body.count(b"[") > (2 + width) * max_rows + SPARE
    )
    if is_oversized:
        raise Invalid(
            (),
            f"The body has more keys or values than {max_rows} row(s) of {width} values can have; "
            f"send at most {max_rows} row(s)",
        )


def refuse_repeated_keys(body: bytes) -> None:
    """Raise Invalid if an object of the JSON text has the same key twice."""
    findings: list[Finding] = []
    rows = 0

    def check_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal rows
        names = [name for name, _ in pairs]
        findings.extend(
            Finding(row=rows, field=name, message="Given twice")
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        )
        rows += 1
        return {}

    json.loads(body, object_pairs_hook=check_pairs)
    if findings:
        raise Invalid(findings)
