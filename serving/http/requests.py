"""Parsing and validation of JSON rows, derived from the columns file.

A `Row` holds the features of one row as the model expects them: floats in the order of
columns.FEATURES, with categories as codes and BLANK for a blank.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    RootModel,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError

from pipeline.column_file.blanks import BLANK, is_blank
from pipeline.column_file.kinds import OTHER
from pipeline.columns import FEATURES, HAS_BLANKS, SUBJECT, Category, Feature, Number
from serving.http.problems import MAX_FINDINGS, BadJson, Finding, Invalid

Row = tuple[float, ...]
Matrix = NDArray[np.float32]
LARGE_BODY = 8_192
"""Bytes from which a JSON body is checked before it is parsed; smaller ones cost little."""
SPARE = 100
"""Keys, arrays and objects allowed beyond those of the rows."""
Scorer = Callable[[Matrix], Matrix]
"""Maps rows, shape (n_rows, n_features), to probabilities of the positive label, (n_rows,)."""

DIGITS = 7
"""Decimals of a returned probability, which is the precision of float32. The threshold is rounded
to as many, so that a probability equal to the trained model's threshold is equal here too."""


def _make_field(feature: Feature) -> tuple[Any, Any]:
    """Type and constraints of a feature, for pydantic's create_model."""
    accepted, constraints = (
        _number_field(feature) if isinstance(feature, Number) else _category_field(feature)
    )
    texts: dict[str, Any] = {"description": _describe(feature), "examples": [feature.example]}
    if feature.required:
        return accepted, Field(**constraints, **texts)
    texts["description"] += ". Null, or left out, for a blank"
    value: Any = Annotated[accepted, Field(**constraints)]
    return Annotated[value | None, WrapValidator(_read_blank)], Field(
        default=None, validate_default=True, **texts
    )


def _describe(feature: Feature) -> str:
    if isinstance(feature, Number):
        end = f", or the date itself, for the time until {feature.until}"
        return f"{feature.description}, in {feature.unit}{end if feature.until_date else ''}"
    described = ", ".join(f"`{name}` ({_plain(code)})" for name, code in feature.codes.items())
    unknown = "" if feature.other_code is None else f"; any other counts as `{OTHER}`"
    return f"{feature.description}: by name, in any case, or by code: {described}{unknown}"


def _number_field(feature: Number) -> tuple[Any, dict[str, Any]]:
    """Type and constraints of a number."""
    accepted: Any = float
    if feature.until_date:
        accepted = Annotated[float, BeforeValidator(partial(_read_date, feature))]
    return accepted, {
        "ge": feature.low,
        "le": feature.high,
        "multiple_of": feature.step if feature.is_integer else None,
        "allow_inf_nan": False,
        "json_schema_extra": _get_schema(feature),
    }


def _get_schema(feature: Number) -> dict[str, Any] | None:
    """What the JSON schema has instead of pydantic's type."""
    kind = "integer" if feature.is_integer else "number"
    if feature.until_date:
        return {"type": [kind, "string"]}
    return {"type": kind} if feature.is_integer else None


def _read_date(feature: Number, value: object) -> object:
    """Convert a date to the time from it until the date of the feature."""
    if not isinstance(value, str):
        return value
    number = feature.measure_dates(value)
    if number is None or math.isnan(number):
        raise PydanticCustomError("date", "Input should be a number, or a date such as 2026-01-31")
    return number


def _category_field(feature: Category) -> tuple[Any, dict[str, Any]]:
    """Type and constraints of a category, whose names and codes are read as codes."""
    choices: list[Any] = [*feature.codes, *(_plain(code) for code in feature.codes.values())]
    return Annotated[float, PlainValidator(_category_validator(feature, choices))], {
        "json_schema_extra": {"enum": choices}
        if feature.other_code is None
        else {"type": ["string", "number"]}
    }


def _read_blank(value: object, read: Callable[[object], float]) -> float:
    """Read a value of a feature that may be blank."""
    return BLANK if value is None else read(value)


def _category_validator(feature: Category, choices: list[Any]) -> Callable[[object], float]:
    *first, last = map(repr, choices)
    message = f"Input should be {', '.join(first)} or {last}"
    names = {name: float(code) for name, code in feature.codes.items()}
    codes = {float(code): float(code) for code in feature.codes.values()}
    other = feature.other_code

    def validate(value: object) -> float:
        code = None
        if isinstance(value, str):
            code = names.get(value)
            if code is None:  # in another case, or unknown
                code = feature.get_code(value)
        elif isinstance(value, bool):
            raise PydanticCustomError(
                "boolean", "Input should be a category's name or code, not a boolean"
            )
        elif isinstance(value, int | float):
            code = codes.get(value)
        if code is None and not (isinstance(value, str) and is_blank(value)):
            code = other
        if code is None:
            raise PydanticCustomError("category", message)
        return code

    return validate


def _plain(code: float) -> float | int:
    return int(code) if float(code).is_integer() else code


EXAMPLE: dict[str, Any] = {feature.name: feature.example for feature in FEATURES}

_FIELDS: dict[str, Any] = {feature.name: _make_field(feature) for feature in FEATURES}

RowModel: Any = create_model(
    "Row",
    __doc__=f"The values of one {SUBJECT}.",
    __config__=ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE]}),
    **_FIELDS,
)
"""One row as JSON. Strict: text is not accepted as a number."""


def to_row(validated: BaseModel) -> Row:
    """Return the fields of a validated RowModel as a Row."""
    return tuple(validated.__dict__.values())


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
