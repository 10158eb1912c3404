"""Decide which rows of a table are positive."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

from pipeline.adoption.table import Table, is_number
from pipeline.column_file.blanks import is_blank
from pipeline.column_file.outcome import Option, Outcome, matches, negate, parse_comparison
from pipeline.errors import DataError, shorten

MIN_POSITIVES = 10
"""Fewest rows of each outcome: each split and fold needs some."""


@dataclass(frozen=True)
class AdoptedLabel:
    """The label of a table.

    Attributes:
        raw: Its header.
        positive: The positive outcome in the file.
        negative: The negative outcome in the file.
        outcomes: Whether each row is positive; None for rows without an outcome.
        numbers: The cells as numbers if the outcome is a comparison, else empty.
    """

    raw: str
    positive: Outcome
    negative: Outcome
    outcomes: list[bool | None]
    numbers: list[float]

    @property
    def rate(self) -> float:
        """Fraction of positive rows among those with an outcome."""
        known = [outcome for outcome in self.outcomes if outcome is not None]
        return sum(known) / len(known)

    @property
    def missing(self) -> int:
        """Number of rows without an outcome."""
        return self.outcomes.count(None)


def adopt_label(table: Table, raw: str, positive: str | None) -> AdoptedLabel:
    """Decide which rows are positive.

    Args:
        table: The table.
        raw: Header of the label's column.
        positive: The positive values, separated by commas, or a comparison such as `<10`; None for
            the rarer of two values.

    Raises:
        DataError: If the column does not exist, has one value or more than two without `positive`,
            if a positive value does not occur, or if an outcome has too few rows.
    """
    if raw not in table.columns:
        near = difflib.get_close_matches(raw, table.columns, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {_list(table.columns)}"
        raise DataError(f"{table.name} has no column {raw!r}; {hint}")
    cells = table.columns[raw]
    counts = Counter(cell for cell in cells if not is_blank(cell))
    if len(counts) < 2:
        value = f"one value, {next(iter(counts))!r}" if counts else "no value"
        raise DataError(f"The label {raw!r} has {value}. It needs rows of two outcomes.")
    chosen: Outcome
    other: Outcome
    numbers: list[float] = []
    if positive is not None and parse_comparison(positive) is not None:
        wrong = [cell for cell in counts if not is_number(cell)]
        if wrong:
            raise DataError(
                f"POSITIVE={positive} needs numbers, but {raw!r} has {_list(wrong)}. Remove these "
                "rows, or list the positive values."
            )
        chosen, other = positive.replace(" ", ""), negate(positive)
        numbers = [float(cell) if not is_blank(cell) else float("nan") for cell in cells]
    else:
        first, second = _split_values(table, raw, positive, counts)
        chosen, other = _to_outcome(first, counts), _to_outcome(second, counts)
    known = {
        cell: True if matches(chosen, cell) else False if matches(other, cell) else None
        for cell in counts
    }
    outcomes = [known.get(cell) for cell in cells]
    for side, outcome in ((True, chosen), (False, other)):
        found = outcomes.count(side)
        if found < MIN_POSITIVES:
            raise DataError(
                f"{found} rows have the label {_show(outcome)}; at least {MIN_POSITIVES} are "
                "needed to train and to test a model."
            )
    return AdoptedLabel(raw, chosen, other, outcomes, numbers)


def _split_values(
    table: Table, raw: str, positive: str | None, counts: Counter[str]
) -> tuple[list[str], list[str]]:
    """Positive and negative values."""
    if positive is None:
        if len(counts) > 2:
            raise DataError(
                f"The label {raw!r} has {len(counts)} values: {_list(counts)}. Choose the positive "
                "ones: POSITIVE=value, POSITIVE=value,value, or a comparison: POSITIVE='<10'."
            )
        rarest = min(counts, key=lambda value: (counts[value], -list(counts).index(value)))
        return [rarest], [value for value in counts if value != rarest]
    chosen = [value.strip() for value in positive.split(",") if value.strip()]
    absent = [value for value in chosen if value not in counts]
    if absent or not chosen:
        raise DataError(
            f"The label {raw!r} of {table.name} has no value {_list(absent)}; it has "
            f"{_list(counts)}."
        )
    rest = [value for value in counts if value not in chosen]
    if not rest:
        raise DataError(f"All values of the label {raw!r} are positive. Leave one out of POSITIVE.")
    return chosen, rest


def _to_outcome(values: list[str], counts: Counter[str]) -> Outcome:
    """Write values as numbers if the whole column is numbers."""
    options: list[Option] = (
        [_to_number(value) for value in values]
        if all(is_number(value) for value in counts)
        else [*values]
    )
    return options[0] if len(options) == 1 else tuple(dict.fromkeys(options))


def _to_number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _show(outcome: Outcome) -> str:
    return ", ".join(map(str, outcome)) if isinstance(outcome, tuple) else str(outcome)


def _list(values: object) -> str:
    return shorten(", ".join(map(repr, values)))  # type: ignore[call-overload]
