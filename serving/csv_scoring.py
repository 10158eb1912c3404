"""Scores CSV piece by piece: the same table comes back with predictions appended to its rows.

Memory is bounded by the piece, not by the list. Columns are found by raw header or by name, in
any order and among others. Every cell is returned unchanged, followed by `label`,
`probability`, `warning` and `error`. The variants that spreadsheets write are accepted: a
byte order mark, semicolons or tabs instead of commas (with decimal commas), and line breaks in
quoted cells.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURES, PROBABILITY_FIELDS, Feature, Number, normalize_name
from pipeline.model.decision import DIGITS
from serving.http.csv_text import (
    DELIMITER_LINE,
    Column,
    detect_delimiter,
    find_end,
    find_unclosed_quote,
    get_feature_name,
    read_records,
)
from serving.http.numeric_rows import check, expectation, to_rows
from serving.http.problems import Finding, Invalid
from serving.http.rows import Row
from serving.model.served_model import Model, ScoredRow

ADDED_COLUMNS = ("label", *PROBABILITY_FIELDS, "warning", "error")
EARLIER_COLUMNS = {normalize_name(name) for name in (*ADDED_COLUMNS, "rank")}
"""Columns of an earlier answer of the API or the page."""
NO_PREDICTION = [""] * (len(ADDED_COLUMNS) - 1)
EARLIER_PROBABILITIES = set(map(normalize_name, PROBABILITY_FIELDS))
MARKS = {"label", "error"}
"""An earlier answer has both of these and a probability."""
MAX_RECORD_LENGTH = 50_000
"""Characters in one row, including quoted line breaks: the limit for a quote never closed."""
MAX_QUOTED_LENGTH = 50
"""Characters of a cell quoted in its error."""
MAX_DESCRIBED_CELLS = 2
"""Invalid cells of a row that its error describes."""


class Record(NamedTuple):
    """A row as text, with the reason why it cannot be read, if any."""

    cells: list[str]
    error: str = ""


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
        self._kept: list[int] | None = None
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
        out = io.StringIO(newline="")
        self.rows, self.scored = [], []
        self._read_delimiter(out, last)
        text, self._text = self._split_complete(last)
        records = self._parse_records(text)
        if records and not self.has_header:
            self._read_header(records.pop(0).cells, out)
        if records:
            self._predict(records, out)
        if last and not self.has_header:
            raise Invalid((), "The list is empty; its first line must name the columns")
        return out.getvalue().encode()

    def _read_delimiter(self, out: io.StringIO, last: bool) -> None:
        if self._delimiter:
            return
        if line := DELIMITER_LINE.match(self._text):
            self._delimiter = line[1]
            self._text = self._text[line.end() :]
            out.write(line[0])
        else:
            self._delimiter = detect_delimiter(self._text, last)

    def _split_complete(self, last: bool) -> tuple[str, str]:
        """Split the text after its last complete row."""
        if last:
            return self._text, ""
        end = find_end(self._text, self._delimiter) if self._delimiter else 0
        if len(self._text) - end <= MAX_RECORD_LENGTH:
            return self._text[:end], self._text[end:]
        end = self._text.rfind("\n") + 1  # a quote is never closed, see _parse_records
        if len(self._text) - end > MAX_RECORD_LENGTH:
            raise Invalid((), f"A row is longer than {MAX_RECORD_LENGTH} characters")
        return self._text[:end], self._text[end:]

    def _parse_records(self, text: str) -> list[Record]:
        """Parse complete rows. A quote that is never closed spoils its own line only."""
        delimiter = self._delimiter or ","
        if unclosed := find_unclosed_quote(text, delimiter):
            cells = unclosed.line.rstrip("\r\n").split(delimiter)
            return [
                *self._parse_records(unclosed.before),
                Record(cells, "a quote is never closed"),
                *self._parse_records(unclosed.after),
            ]
        try:
            return [Record(cells) for cells in read_records(text, delimiter)]
        except csv.Error as error:
            raise Invalid((), f"The list is not valid CSV: {error}") from None

    def _read_header(self, header: Sequence[str], out: io.StringIO) -> None:
        names = [get_feature_name(name) for name in header]
        columns, findings = [], []
        for feature in FEATURES:
            places = [index for index, name in enumerate(names) if name == feature.name]
            if len(places) == 1:
                end = find_end_column(feature, header, places[0])
                columns.append((places[0], Column(feature, self._delimiter, end)))
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
        self._kept = find_kept_columns(header)
        self._writer(out).writerow([*self._keep(header), *ADDED_COLUMNS])

    def _keep(self, cells: Sequence[str]) -> Sequence[str]:
        return cells if self._kept is None else [cells[index] for index in self._kept]

    def _writer(self, out: io.StringIO) -> Any:
        return csv.writer(out, delimiter=self._delimiter)

    def _predict(self, records: list[Record], out: io.StringIO) -> None:
        values = np.array(
            [
                [
                    column.read(cells, place) if place < len(cells) else np.nan
                    for place, column in self._columns
                ]
                for cells, _ in records
            ],
            np.float64,
        )
        cells_valid = check(values)
        readable = np.array(
            [len(record.cells) == self._width and not record.error for record in records]
        )
        rows_valid = cells_valid.all(axis=1) & readable
        self.rows = to_rows(values[rows_valid])
        self.scored = self._model.score(self.rows) if self.rows else []
        scored = iter(self.scored)
        lines = []
        for record, row_valid, valid in zip(records, rows_valid.tolist(), cells_valid, strict=True):
            if row_valid:
                prediction = next(scored)
                label = self._model.label(prediction.probability)
                probability = f"{prediction.probability:.{DIGITS}g}"
                warning = "; ".join(map(str, prediction.warnings))
                added = [label, *[probability] * len(PROBABILITY_FIELDS), warning, ""]
                lines.append([*self._keep(record.cells), *added])
            else:
                padded = (record.cells + [""] * self._width)[: self._width]
                error = self._describe_errors(record, valid)
                lines.append([*self._keep(padded), *NO_PREDICTION, error])
        self._writer(out).writerows(lines)

    def _describe_errors(self, record: Record, valid: NDArray[np.bool_]) -> str:
        cells = record.cells
        if record.error:
            return record.error
        if len(cells) != self._width:
            return f"the row has {len(cells)} cells, the header {self._width}"
        bad = [
            named for named, cell_valid in zip(self._columns, valid, strict=True) if not cell_valid
        ]
        described = [
            describe_invalid(column.feature, cells[place])
            for place, column in bad[:MAX_DESCRIBED_CELLS]
        ]
        if names := [column.feature.name for _, column in bad[MAX_DESCRIBED_CELLS:]]:
            described.append(f"also invalid: {', '.join(names)}")
        return "; ".join(described)


def describe_invalid(feature: Feature, text: str) -> str:
    """Describe what is wrong with a cell, in the page's words.

    Args:
        feature: The feature that does not accept the cell.
        text: The cell.

    Returns:
        A sentence without a full stop.
    """
    if not text.strip():
        return f"{feature.name} is missing"
    return f"{feature.name} {expectation(feature)}, not {text[:MAX_QUOTED_LENGTH]!r}"


def find_end_column(feature: Feature, header: Sequence[str], place: int) -> int | None:
    """Return the column of the dates until which a feature is measured, if the list has dates."""
    if not isinstance(feature, Number) or not feature.until_column:
        return None
    names = [name.strip() for name in header]
    has_dates = names[place] == feature.raw and feature.until_column in names
    return names.index(feature.until_column) if has_dates else None


def find_kept_columns(header: Sequence[str]) -> list[int] | None:
    """Return which columns to return if the list is an earlier answer; None for all of them.

    An earlier answer has a label, a probability and an error. Its predictions are replaced, and its
    ranks are removed.
    """
    names = [normalize_name(name) for name in header]
    if not (MARKS.issubset(names) and EARLIER_PROBABILITIES.intersection(names)):
        return None
    return [index for index, name in enumerate(names) if name not in EARLIER_COLUMNS]
