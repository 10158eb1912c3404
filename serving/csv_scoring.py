"""Scores CSV piece by piece: the same table comes back with predictions appended to its rows.

Memory is bounded by the piece, not by the list. Columns are found by raw header or by name, in
any order and among others. Every cell is returned unchanged, followed by `label`,
`fail_probability` and `error`. The variants that spreadsheets write are accepted: a byte order
mark, semicolons or tabs instead of commas (with decimal commas), and line breaks in quoted cells.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURES, Category, Feature
from serving.http.problems import Finding, Invalid
from serving.http.requests import DIGITS, Row, check, expectation
from serving.model.served_model import Model, ScoredRow

ADDED_COLUMNS = ("label", "fail_probability", "error")
DELIMITERS = ",;\t"
MAX_RECORD_LENGTH = 50_000
"""Characters in one row, including quoted line breaks: the limit for a quote never closed."""
MAX_QUOTED_LENGTH = 50
"""Characters of a cell quoted in its error."""
CACHE_SIZE = 10_000
"""Cells per column whose numbers are cached."""


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
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            value = self._cache[text] = self._parse(text.strip())
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
        """Split the text after its last complete row; a line break in quotes ends no row."""
        if last:
            return self._text, ""
        end = self._text.rfind("\n") + 1
        while end and self._text.count('"', 0, end) % 2:
            end = self._text.rfind("\n", 0, self._text.rfind('"', 0, end)) + 1
        if len(self._text) - end > MAX_RECORD_LENGTH:
            raise Invalid(
                (),
                f"A row is longer than {MAX_RECORD_LENGTH} characters; "
                "check that every quote is closed",
            )
        return self._text[:end], self._text[end:]

    def _parse_records(self, text: str) -> list[list[str]]:
        try:
            reader = csv.reader(
                io.StringIO(text, newline=""), delimiter=self._detect_delimiter(text)
            )
            return [record for record in reader if record]
        except csv.Error as error:
            raise Invalid((), f"The list is not valid CSV: {error}") from None

    def _detect_delimiter(self, text: str) -> str:
        """Return the most frequent delimiter of the first line."""
        if not self._delimiter and text:
            first_line = text.split("\n", 1)[0]
            self._delimiter = max(DELIMITERS, key=first_line.count)
        return self._delimiter or ","

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
                probability = next(scored).probability
                label = self._model.label(probability)
                lines.append([*record, label, f"{probability:.{DIGITS}g}", ""])
            else:
                padded = (record + [""] * self._width)[: self._width]
                lines.append([*padded, "", "", self._describe_errors(record, valid)])
        self._writer(out).writerows(lines)

    def _describe_errors(self, record: list[str], valid: NDArray[np.bool_]) -> str:
        if len(record) != self._width:
            return f"the row has {len(record)} cells, the header {self._width}"
        return "; ".join(
            f"{column.feature.name} {expectation(column.feature)}, "
            f"not {record[place][:MAX_QUOTED_LENGTH]!r}"
            for (place, column), cell_valid in zip(self._columns, valid, strict=True)
            if not cell_valid
        )
