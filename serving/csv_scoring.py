"""Scores CSV piece by piece: the same table comes back with predictions appended to its rows.

Memory is bounded by the piece, not by the list. Columns are found by raw header or by name, in
any order and among others. Every cell is returned unchanged, followed by `label`,
`fail_probability`, `warning` and `error`. The variants that spreadsheets write are accepted: a
byte order mark, semicolons or tabs instead of commas (with decimal commas), and line breaks in
quoted cells.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURES, Category, Feature
from serving.http.numeric_rows import check, expectation
from serving.http.problems import Finding, Invalid
from serving.http.requests import DIGITS, Row
from serving.model.served_model import Model, ScoredRow

ADDED_COLUMNS = ("label", "fail_probability", "warning", "error")
DELIMITERS = ",;\t"
MAX_RECORD_LENGTH = 50_000
"""Characters in one row, including quoted line breaks: the limit for a quote never closed."""
MAX_QUOTED_LENGTH = 50
"""Characters of a cell quoted in its error."""
MAX_DESCRIBED_CELLS = 2
"""Invalid cells of a row that its error describes."""
CACHE_SIZE = 10_000
"""Cells per column whose numbers are cached."""
MAX_CACHED_LENGTH = 32
"""Characters of the longest cell that is cached."""
QUOTED_CELLS = {
    delimiter: re.compile(rf'(?:\A|(?<=[{delimiter}\r\n]))"[^"]*(?:""[^"]*)*(?:"|\Z)')
    for delimiter in DELIMITERS
}
"""Matches quoted cells. Only a quote at the start of a cell opens one, as csv.reader reads it."""


class Column:
    """Converts the cells of one feature to numbers."""

    def __init__(self, feature: Feature, decimal_comma: bool) -> None:
        self.feature = feature
        self._decimal_comma = decimal_comma
        self._cache: dict[str, float] = {}

    def value(self, text: str) -> float:
        """Return the number or category code in a cell; NaN if it is neither."""
        value = self._cache.get(text)
        if value is None:
            value = self._parse(text.strip())
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
        if self._decimal_comma:
            text = text.replace(",", ".")
        try:
            return np.nan if "_" in text else float(text)
        except ValueError:
            return np.nan


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


def detect_delimiter(text: str, last: bool) -> str:
    """Return the delimiter under which the header has the most features, then the most cells.

    Args:
        text: The start of the list.
        last: Whether the list ends here.

    Returns:
        The delimiter; empty if the header is not complete.
    """
    best, most = "", (-1, -1)
    for delimiter in DELIMITERS:
        complete = text if last else text[: find_end(text, delimiter)]
        with contextlib.suppress(csv.Error):
            header = next(read_records(complete, delimiter), None)
            if header is not None:
                names = {name.strip() for name in header}
                found = sum(feature.name in names or feature.raw in names for feature in FEATURES)
                if (found, len(header)) > most:
                    best, most = delimiter, (found, len(header))
    return best


class Table:
    """One list. Call `feed` from one thread at a time.

    `rows` and `scored` are the valid rows of the last piece and their predictions.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._delimiter = ""
        self._width = 0
        self._columns: list[tuple[int, Column]] = []
        self.rows: list[Row] = []
        self.scored: list[ScoredRow] = []

    @property
    def has_header(self) -> bool:
        """Whether the header was read."""
        return bool(self._columns)

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """Score the rows that are complete after this piece.

        Args:
            data: The next bytes of the list, cut anywhere.
            last: Whether the list ends here.

        Returns:
            The CSV of those rows with their predictions.

        Raises:
            Invalid: If the text is not UTF-8, the header lacks a column, or a row is too long.
        """
        try:
            self._text += self._decoder.decode(data, last)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise Invalid(
                (), f"The list is not UTF-8 (byte {byte:#04x}); save it as `CSV UTF-8` and retry"
            ) from None
        text, self._text = self._split_complete(last)
        records = self._parse_records(text)
        out = io.StringIO(newline="")
        self.rows, self.scored = [], []
        if records and not self.has_header:
            self._read_header(records.pop(0), out)
        if records:
            self._predict(records, out)
        if last and not self.has_header:
            raise Invalid((), "The list is empty; its first line must name the columns")
        return out.getvalue().encode()

    def _split_complete(self, last: bool) -> tuple[str, str]:
        """Split the text after its last complete row."""
        if not self._delimiter:
            self._delimiter = detect_delimiter(self._text, last)
        if last:
            return self._text, ""
        end = find_end(self._text, self._delimiter) if self._delimiter else 0
        if len(self._text) - end > MAX_RECORD_LENGTH:
            raise Invalid(
                (),
                f"A row is longer than {MAX_RECORD_LENGTH} characters; "
                "check that every quote is closed",
            )
        return self._text[:end], self._text[end:]

    def _parse_records(self, text: str) -> list[list[str]]:
        try:
            return list(read_records(text, self._delimiter or ","))
        except csv.Error as error:
            raise Invalid((), f"The list is not valid CSV: {error}") from None

    def _read_header(self, header: Sequence[str], out: io.StringIO) -> None:
        names = [name.strip() for name in header]
        columns, findings = [], []
        for feature in FEATURES:
            places = [
                index for index, name in enumerate(names) if name in (feature.name, feature.raw)
            ]
            if len(places) == 1:
                columns.append((places[0], Column(feature, self._delimiter != ",")))
            else:
                message = (
                    "More than one column has this name"
                    if places
                    else f"No column is named {feature.name} or {feature.raw!r}"
                )
                findings.append(Finding(row=0, field=feature.name, message=message))
        if findings:
            raise Invalid(findings, "The header lacks or repeats columns; see `errors`")
        self._columns = columns
        self._width = len(header)
        self._writer(out).writerow([*header, *ADDED_COLUMNS])

    def _writer(self, out: io.StringIO) -> Any:
        return csv.writer(out, delimiter=self._delimiter)

    def _predict(self, records: list[list[str]], out: io.StringIO) -> None:
        values = np.array(
            [
                [
                    column.value(record[place]) if place < len(record) else np.nan
                    for place, column in self._columns
                ]
                for record in records
            ],
            np.float64,
        )
        cells_valid = check(values)
        right_width = np.array([len(record) == self._width for record in records])
        rows_valid = cells_valid.all(axis=1) & right_width
        self.rows = [tuple(row) for row in values[rows_valid].tolist()]
        self.scored = self._model.score(self.rows) if self.rows else []
        scored = iter(self.scored)
        lines = []
        for record, row_valid, valid in zip(records, rows_valid.tolist(), cells_valid, strict=True):
            if row_valid:
                prediction = next(scored)
                label = self._model.label(prediction.probability)
                warning = "; ".join(map(str, prediction.warnings))
                lines.append([*record, label, f"{prediction.probability:.{DIGITS}g}", warning, ""])
            else:
                padded = (record + [""] * self._width)[: self._width]
                lines.append([*padded, "", "", "", self._describe_errors(record, valid)])
        self._writer(out).writerows(lines)

    def _describe_errors(self, record: list[str], valid: NDArray[np.bool_]) -> str:
        if len(record) != self._width:
            return f"the row has {len(record)} cells, the header {self._width}"
        bad = [
            named for named, cell_valid in zip(self._columns, valid, strict=True) if not cell_valid
        ]
        described = [
            f"{column.feature.name} {expectation(column.feature)}, "
            f"not {record[place][:MAX_QUOTED_LENGTH]!r}"
            for place, column in bad[:MAX_DESCRIBED_CELLS]
        ]
        if names := [column.feature.name for _, column in bad[MAX_DESCRIBED_CELLS:]]:
            described.append(f"also invalid: {', '.join(names)}")
        return "; ".join(described)
