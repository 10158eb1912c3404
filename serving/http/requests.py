"""What the API takes: models for it, and rows out of it, all derived from pipeline/columns.py.

`Row` is a student as the model takes one: the features as floats, in the order of columns.FEATURES, categories by code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, RootModel, TypeAdapter, ValidationError, create_model

from pipeline.columns import FEATURE_NAMES, FEATURES, SUBJECT, Category, Feature, Number
from serving.http.problems import BadJson, Finding, Invalid

Row = tuple[float, ...]
Matrix = NDArray[np.float32]
Scorer = Callable[[Matrix], Matrix]
"""Rows [N, features] to their fail probabilities [N]."""

DIGITS = 7
"""Decimals of an answered probability: all that float32 has. The threshold is compared, and shown, with as many, so that
a probability that equals the threshold in the trained model equals it here."""


def _definition(feature: Feature) -> tuple[Any, Any]:
    """A feature's type and constraints, as pydantic's create_model takes them."""
    if isinstance(feature, Number):
        extra: dict[str, Any] = {"type": "integer"} if feature.is_integer else {}
        step = feature.step if feature.is_integer else None
        return float, Field(
            ge=feature.low,
            le=feature.high,
            multiple_of=step,
            allow_inf_nan=False,
            description=f"{feature.description}, in {feature.unit}",
            examples=[feature.example],
            json_schema_extra=extra,
        )
    choices: tuple[object, ...] = (
        *feature.codes,
        *(_plain(code) for code in feature.codes.values()),
    )
    spelled = ", ".join(f"`{name}` ({_plain(code)})" for name, code in feature.codes.items())
    return Literal[choices], Field(
        description=f"{feature.description}: by name or by the survey's code: {spelled}",
        examples=[feature.example],
    )


def _plain(code: float) -> float | int:
    return int(code) if float(code).is_integer() else code


EXAMPLE: dict[str, Any] = {feature.name: feature.example for feature in FEATURES}

definitions: dict[str, Any] = {feature.name: _definition(feature) for feature in FEATURES}

Student: Any = create_model(
    SUBJECT.capitalize(),
    __config__=ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE]}),
    **definitions,
)
"""One row as JSON; strict: a number is no text, and a truth value is no number."""

CODES: tuple[dict[Any, float] | None, ...] = tuple(
    {**feature.codes, **{code: float(code) for code in feature.codes.values()}}
    if isinstance(feature, Category)
    else None
    for feature in FEATURES
)
"""By feature: a category's names and codes, as its code; None for a number."""

Decode = Callable[[Any], Row]


def _decoder() -> Decode:
    """A function from a validated Student to its Row; its code is laid out once for the columns at hand, for speed."""
    names = [f"v{index}" for index in range(len(FEATURES))]
    parts = [f"c{index}[{name}]" if CODES[index] else name for index, name in enumerate(names)]
    codes = {f"c{index}": table for index, table in enumerate(CODES) if table}
    source = f"lambda student: (lambda {', '.join(names)}: ({', '.join(parts)},))(*student.__dict__.values())"
    decode: Decode = eval(source, codes)  # noqa: S307 - the text is made of indices alone
    return decode


decode = _decoder()


class Reader:
    """Reads request bodies: JSON text to rows."""

    def __init__(self, max_rows: int) -> None:
        students: Any = Annotated[list[Student], Field(min_length=1, max_length=max_rows)]
        self.body: Any = RootModel[Student | students]  # what the OpenAPI document says of it
        self._one = Student.__pydantic_validator__.validate_json
        validator = TypeAdapter(students).validator
        self._many = validator.validate_json
        self._records = validator.validate_python

    def rows(self, body: bytes) -> list[Row]:
        """The rows of a JSON object, or of an array of them.

        Raises:
            BadJson: it is no JSON.
            Invalid: it is not what columns.py says, row by row and field by field.
        """
        listed = body.lstrip(b" \t\n\r")[:1] == b"["
        try:
            rows = (
                [decode(student) for student in self._many(body)]
                if listed
                else [decode(self._one(body))]
            )
        except ValidationError as error:
            raise _problem(error) from None
        # No valid row holds a colon beyond those of its keys, nor a truth value: more of them is a key given twice, and
        # `true` where a code 1 is meant. Both are legal to the parser, so they are looked for here, where it is cheap.
        if body.count(b":") != len(FEATURES) * len(rows) or b"true" in body or b"false" in body:
            refuse_ambiguous(body)
        return rows

    def records(self, records: list[dict[str, Any]]) -> list[Row]:
        """The rows of dictionaries.

        Raises:
            Invalid: they are not what columns.py says, row by row and field by field.
        """
        findings = [
            Finding(row=index, field=name, message=NO_TRUTH_VALUE)
            for index, record in enumerate(records)
            for name, value in record.items()
            if isinstance(value, bool)
        ]
        if findings:
            raise Invalid(findings)
        try:
            return [decode(student) for student in self._records(records)]
        except ValidationError as error:
            raise _problem(error) from None


NO_TRUTH_VALUE = "Input should be a name or a code, not a truth value"


def _problem(error: ValidationError) -> BadJson | Invalid:
    findings = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        if item["type"] == "json_invalid":
            return BadJson(item["msg"].removeprefix("Invalid JSON: "))
        row = next((part for part in item["loc"] if isinstance(part, int)), 0)
        field = next((part for part in item["loc"] if isinstance(part, str)), None)
        findings.append(Finding(row=row, field=field, message=item["msg"]))
    return Invalid(findings)


def refuse_ambiguous(body: bytes) -> None:
    """Refuses keys given twice, and truth values, which Python takes for the codes 0 and 1.

    Raises:
        Invalid: there is one.
    """
    findings: list[Finding] = []
    rows = 0

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal rows
        names = [name for name, _ in pairs]
        findings.extend(
            Finding(row=rows, field=name, message="Given twice")
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        )
        findings.extend(
            Finding(row=rows, field=name, message=NO_TRUTH_VALUE)
            for name, value in pairs
            if isinstance(value, bool)
        )
        rows += 1
        return {}

    json.loads(body, object_pairs_hook=look)
    if findings:
        raise Invalid(findings)


LOW = np.array(
    [min(f.codes.values()) if isinstance(f, Category) else f.low for f in FEATURES], np.float64
)
HIGH = np.array(
    [max(f.codes.values()) if isinstance(f, Category) else f.high for f in FEATURES], np.float64
)


def expectation(feature: Feature) -> str:
    """What a feature's number must be, in words."""
    if isinstance(feature, Number):
        kind = "a whole number" if feature.is_integer else "a number"
        return f"must be {kind} from {feature.low:g} to {feature.high:g}"
    return "must be one of " + ", ".join(
        f"{code:g} ({name})" for name, code in feature.codes.items()
    )


def check(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For each cell of rows given as numbers [N, features]: whether it is a value the column takes."""
    good: NDArray[np.bool_] = (values >= LOW) & (values <= HIGH)  # false for NaN too
    for index, feature in enumerate(FEATURES):
        column = values[:, index]
        if isinstance(feature, Category):
            good[:, index] = np.isin(column, list(feature.codes.values()))
        elif feature.is_integer:
            good[:, index] &= np.mod(np.where(good[:, index], column, 0), feature.step) == 0
    return good


def rows_of(values: Sequence[Sequence[float]] | NDArray[np.float64]) -> list[Row]:
    """Rows given as numbers, codes for categories.

    Raises:
        Invalid: a value is not one the column takes.
    """
    matrix = np.asarray(values, np.float64).reshape(-1, len(FEATURES))
    bad = np.argwhere(~check(matrix))[:100]
    if len(bad):
        raise Invalid(
            [
                Finding(
                    row=int(row), field=FEATURE_NAMES[column], message=expectation(FEATURES[column])
                )
                for row, column in bad
            ]
        )
    return [tuple(row) for row in matrix.tolist()]
