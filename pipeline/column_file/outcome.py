"""Which values of the raw file are an outcome: a value, several, or a comparison."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

Option = int | float | str
Outcome = Option | tuple[Option, ...]

_COMPARISON = re.compile(r"(<=|<|>=|>)\s*(-?\d+(?:\.\d+)?)")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def get_options(outcome: Outcome) -> tuple[Option, ...]:
    """Return the values and comparisons of an outcome."""
    return outcome if isinstance(outcome, tuple) else (outcome,)


def parse_comparison(option: Option) -> tuple[str, float] | None:
    """Return sign and number of a comparison such as `<10`; None for a plain value."""
    found = _COMPARISON.fullmatch(option.strip()) if isinstance(option, str) else None
    return (found[1], float(found[2])) if found else None


def negate(option: str) -> str:
    """Return the opposite of a comparison: `>=10` for `<10`.

    Raises:
        ValueError: If the option is not a comparison.
    """
    found = parse_comparison(option)
    if found is None:
        raise ValueError(f"{option!r} is not a comparison")
    return f"{_OPPOSITES[found[0]]}{found[1]:g}"


def is_text(outcome: Outcome) -> bool:
    """Whether one of the outcome's values is text."""
    return any(
        isinstance(option, str) and parse_comparison(option) is None
        for option in get_options(outcome)
    )


def matches(outcome: Outcome, raw: Any) -> bool:
    """Whether a value of the raw file is the outcome.

    Args:
        outcome: The outcome.
        raw: A number or text; a number in text counts as a number.
    """
    number = to_number(raw)
    for option in get_options(outcome):
        comparison = parse_comparison(option)
        if comparison is not None:
            sign, bound = comparison
            if _OPERATORS[sign](number, bound):  # false for NaN
                return True
        elif isinstance(option, str):
            if str(raw).strip() == option:
                return True
        elif number == option:
            return True
    return False


def get_example(outcome: Outcome) -> Option:
    """Return a raw value that is the outcome."""
    option = get_options(outcome)[0]
    comparison = parse_comparison(option)
    if comparison is None:
        return option
    sign, bound = comparison
    return bound + {"<": -1, ">": 1}.get(sign, 0)


def to_number(raw: Any) -> float:
    """Return a number, or the number in a text; NaN if there is none."""
    try:
        return float(raw)
    except (TypeError, ValueError):
        return math.nan


def check_outcome(value: Any) -> Outcome:
    """Validate an outcome of a columns file.

    Raises:
        ValueError: If it is neither a number, a text, nor a list of those.
    """
    options = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for option in options:
        if isinstance(option, bool) or not isinstance(option, (int, float, str)) or option == "":
            raise ValueError("must be a number, a text, a comparison such as '<10', or a list")
    if not options:
        raise ValueError("must have at least one value")
    return options if len(options) > 1 else options[0]
