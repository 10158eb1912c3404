"""The values of one row: how JSON is validated, derived from the columns file.

A `Row` holds the features of one row as the model expects them: floats in the order of
columns.FEATURES, with categories as codes and BLANK for a blank.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError

from pipeline.column_file.blanks import BLANK, is_blank
from pipeline.column_file.kinds import OTHER
from pipeline.columns import FEATURES, SUBJECT, Category, Feature, Number

Row = tuple[float, ...]
Matrix = NDArray[np.float32]


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
