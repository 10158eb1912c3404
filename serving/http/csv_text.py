"""CSV as spreadsheets write it: delimiters, quotes, decimal commas, and spellings of names.

tests/serving/csv_vectors.json has examples, which the page reads the same way.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.column_file.blanks import BLANK, is_blank
from pipeline.columns import FEATURES, Category, Feature, Number, normalize_name

DELIMITERS = ",;\t"
QUOTED_CELLS = {
    delimiter: re.compile(rf'(?:\A|(?<=[{delimiter}\r\n]))"[^"]*(?:""[^"]*)*(?P<end>"|\Z)')
    for delimiter in DELIMITERS
}
"""Matches quoted cells. Only a quote at the start of a cell opens one, as csv.reader reads it."""
DELIMITER_LINE = re.compile(r'\A"?sep=([,;\t])"?(?:\r\n|\r(?!\n|\Z)|\n)', re.IGNORECASE)
"""Matches the first line in which Excel names the delimiter."""
MAX_HEADER_LENGTH = 50_000
"""Characters of a header that are searched for names."""
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+")
"""Matches numbers whose commas may separate thousands or decimals."""
CACHE_SIZE = 10_000
"""Cells per column whose numbers are cached."""
MAX_CACHED_LENGTH = 32
"""Characters of the longest cell that is cached."""


def index_names(features: Iterable[Feature]) -> dict[str, str]:
    """Map the spellings of columns to the names of their features.

    The spellings are the names in the API and in the raw file, as they are and normalized. A
    normalized name that two features share is left out.
    """
    spellings = [
        (text, feature.name) for feature in features for text in (feature.name, feature.raw)
    ]
    normalized = {(normalize_name(text), name) for text, name in spellings}
    counts = Counter(text for text, _ in normalized)
    return {text: name for text, name in normalized if counts[text] == 1} | dict(spellings)


NAMES = index_names(FEATURES)


def get_feature_name(header: str) -> str | None:
    """Return the name of the feature that a column's name means, if any."""
    return NAMES.get(header.strip()) or NAMES.get(normalize_name(header))


def parse_number(text: str, delimiter: str) -> float:
    """Return the number in a cell; NaN if it is none.

    A comma is a decimal comma. If commas also separate the cells, a number such as 1,234 is refused
    because its comma may separate thousands.

    Args:
        text: The cell.
        delimiter: What separates the cells.
    """
    text = text.strip()
    if "," in text:
        if delimiter == "," and THOUSANDS.fullmatch(text):
            return np.nan
        text = text.replace(",", ".")
    if "_" in text or not text.isascii():  # Python reads 3_1 and other scripts' digits
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan


class Column:
    """Converts the cells of one feature to numbers, and blanks to NaN if it may be blank."""

    def __init__(self, feature: Feature, delimiter: str, end: int | None = None) -> None:
        self.feature = feature
        self._end = end
        """Column of the dates that end the time, if the list has dates."""
        self._delimiter = delimiter
        self._cache: dict[str, float] = {}

    def read(self, cells: Sequence[str], place: int) -> float:
        """Return the number or category code of a row; see `value`."""
        if self._end is None or not isinstance(self.feature, Number) or self._end >= len(cells):
            return self.value(cells[place])
        measured = self.feature.measure_dates(cells[place], cells[self._end])
        # Without dates, the cell may have the number.
        return self.value(cells[place]) if measured is None else measured

    def value(self, text: str) -> float:
        """Return the number or category code in a cell.

        A cell that is neither gives NaN, or infinity if the feature may be blank.
        """
        value = self._cache.get(text)
        if value is None:
            value = self._parse(text)
            if len(text) <= MAX_CACHED_LENGTH:
                if len(self._cache) >= CACHE_SIZE:
                    self._cache.clear()
                self._cache[text] = value
        return value

    def _parse(self, text: str) -> float:
        if isinstance(self.feature, Category):
            code = self.feature.get_code(text)
            if code is not None:
                return code
        number = parse_number(text, self._delimiter)
        if isinstance(self.feature, Number) and self.feature.until_date and math.isnan(number):
            measured = self.feature.measure_dates(text)
            number = math.nan if measured is None else measured
        if isinstance(self.feature, Category) and self.feature.other_code is not None:
            is_known = number in self.feature.names
            if not is_known and not is_blank(text):
                return self.feature.other_code
        if not self.feature.required and math.isnan(number):
            return BLANK if is_blank(text) else math.inf
        return number


def read_records(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the rows of CSV text that are not empty."""
    return filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def find_end(text: str, delimiter: str) -> int:
    """Return the end of the last complete row; a line break in a quoted cell ends no row."""
    end = text.rfind("\n")
    if '"' not in text:
        return end + 1
    spans = [match.span() for match in QUOTED_CELLS[delimiter].finditer(text)]
    for start, stop in reversed(spans):
        if end >= stop:
            break
        if end > start:
            end = text.rfind("\n", 0, start)
    return end + 1


class UnclosedQuote(NamedTuple):
    """Text around a row with a quote that is never closed.

    Attributes:
        before: The complete rows before it.
        line: The line with the quote.
        after: The following lines.
    """

    before: str
    line: str
    after: str


def find_unclosed_quote(text: str, delimiter: str) -> UnclosedQuote | None:
    """Find the quoted cell that does not end in `text`; None if all of them end."""
    if '"' not in text:
        return None
    opened = None
    for match in QUOTED_CELLS[delimiter].finditer(text):
        opened = None if match["end"] else match
    if opened is None:
        return None
    start = find_end(text[: opened.start()], delimiter)
    end = text.find("\n", opened.start()) + 1 or len(text)
    return UnclosedQuote(text[:start], text[start:end], text[end:])


def detect_delimiter(text: str, last: bool) -> str:
    """Return the delimiter under which the header has the most features, then the most cells.

    Args:
        text: The start of the list.
        last: Whether the list ends here.

    Returns:
        The delimiter; empty if the header is not complete, or too long.
    """
    best, most = "", (-1, -1)
    if len(text) > MAX_HEADER_LENGTH:
        text, last = text.lstrip("\r\n")[:MAX_HEADER_LENGTH], False
    for delimiter in DELIMITERS:
        complete = text if last else text[: find_end(text, delimiter)]
        with contextlib.suppress(csv.Error):
            header = next(read_records(complete, delimiter), None)
            if header is not None:
                found = sum(get_feature_name(name) is not None for name in set(header))
                if (found, len(header)) > most:
                    best, most = delimiter, (found, len(header))
    return best
