"""A class list in CSV, predicted piece by piece: what arrives, in pieces of any size, comes out as rows with their predictions.

Memory is bounded by the piece, not by the list. Columns are found by the survey's raw header or by our names, in any order and
among others; every cell comes back as it was, with `label`, `fail_probability` and `error` behind them. Spreadsheets' habits are
taken as they come: a byte order mark, semicolons or tabs for commas (then decimal commas too), quoted cells with line breaks.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.columns import FEATURES, Category, Feature
from serving.http.problems import Finding, Invalid
from serving.http.requests import DIGITS, Row, check, expectation
from serving.model.served_model import Model, Scored

ADDED = ("label", "fail_probability", "error")
DELIMITERS = ",;\t"
MAX_RECORD = 50_000
"""Characters in one row, line breaks in quotes included; a quote that is never closed ends here."""
REMEMBERED = 10_000
"""Texts of cells whose numbers are remembered, by column."""


class Column:
    """Reads the cells of one feature: text to number, or None."""

    def __init__(self, feature: Feature, decimal_comma: bool) -> None:
        self.feature = feature
        self._comma = decimal_comma
        self._known: dict[str, float | None] = {}

    def value(self, text: str) -> float | None:
        known = self._known.get(text, self)
        if not isinstance(known, Column):
            return known
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        value = self._known[text] = self._parse(text.strip())
        return value

    def _parse(self, text: str) -> float | None:
        if isinstance(self.feature, Category) and text.lower() in self.feature.codes:
            return float(self.feature.codes[text.lower()])
        if self._comma:
            text = text.replace(",", ".")
        try:
            return None if "_" in text else float(text)
        except ValueError:
            return None


class Table:
    """One list. Feed it from one thread at a time; `scored` are the rows of the last piece that were predicted."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._delimiter = ""
        self._width = 0
        self._places: list[tuple[int, Column]] = []
        self.rows: list[Row] = []
        self.scored: list[Scored] = []

    @property
    def begun(self) -> bool:
        """Whether the header has been read."""
        return bool(self._places)

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """What the complete rows of `data`, and of what was kept of earlier pieces, come out as.

        Raises:
            Invalid: the text is not UTF-8, its header lacks a column, or a row never ends.
        """
        try:
            self._text += self._decode.decode(data, last)
        except UnicodeDecodeError as error:
            wrong = f"The list is not UTF-8 (byte {error.object[error.start]:#04x}); save it as `CSV UTF-8` and send it again"
            raise Invalid((), wrong) from None
        text, self._text = self._complete(last)
        records = self._records(text)
        out = io.StringIO(newline="")
        self.rows, self.scored = [], []
        if records and not self.begun:
            self._begin(records.pop(0), out)
        if records:
            self._predict(records, out)
        if last and not self.begun:
            raise Invalid((), "The list is empty; its first line must name the columns")
        return out.getvalue().encode()

    def _records(self, text: str) -> list[list[str]]:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._guess(text))
            return [record for record in reader if record]
        except csv.Error as error:
            raise Invalid((), f"The list is no CSV: {error}") from None

    def _complete(self, last: bool) -> tuple[str, str]:
        """The text up to the end of its last complete row, and the rest: a line break between quotes ends no row."""
        if last:
            return self._text, ""
        end = self._text.rfind("\n") + 1
        while end and self._text.count('"', 0, end) % 2:
            end = self._text.rfind("\n", 0, self._text.rfind('"', 0, end)) + 1
        if len(self._text) - end > MAX_RECORD:
            raise Invalid(
                (), f"A row is longer than {MAX_RECORD} characters; is a quote in it never closed?"
            )
        return self._text[:end], self._text[end:]

    def _guess(self, text: str) -> str:
        """The delimiter: whichever stands most often in the first line."""
        if not self._delimiter and text:
            first = text.split("\n", 1)[0]
            self._delimiter = max(DELIMITERS, key=first.count)
        return self._delimiter or ","

    def _begin(self, header: Sequence[str], out: io.StringIO) -> None:
        names = [name.strip() for name in header]
        missing, twice = [], []
        for feature in FEATURES:
            found = [
                index for index, name in enumerate(names) if name in (feature.name, feature.raw)
            ]
            if not found:
                missing.append(feature)
            elif len(found) > 1:
                twice.append(feature)
            else:
                self._places.append((found[0], Column(feature, self._delimiter != ",")))
        if missing or twice:
            self._places = []
            findings = [
                Finding(row=0, field=f.name, message=f"No column is called {f.name} or {f.raw!r}")
                for f in missing
            ]
            findings += [
                Finding(row=0, field=f.name, message="More than one column is called so")
                for f in twice
            ]
            raise Invalid(
                findings, "The header lacks columns, or has them twice; `errors` says which"
            )
        self._width = len(header)
        self._writer(out).writerow([*header, *ADDED])

    def _writer(self, out: io.StringIO) -> Any:
        return csv.writer(out, delimiter=self._delimiter)

    def _predict(self, records: list[list[str]], out: io.StringIO) -> None:
        values = np.array(
            [
                [self._cell(record, place, column) for place, column in self._places]
                for record in records
            ],
            np.float64,
        )
        good = check(values)
        fit = good.all(axis=1) & np.array([len(record) == self._width for record in records])
        self.rows = [tuple(row) for row in values[fit].tolist()]
        self.scored = self._model.score(self.rows) if self.rows else []
        scored = iter(self.scored)
        lines = []
        for record, fits, goods in zip(records, fit.tolist(), good, strict=True):
            if fits:
                probability = next(scored).probability
                lines.append(
                    [*record, self._model.label(probability), f"{probability:.{DIGITS}g}", ""]
                )
            else:
                padded = (record + [""] * self._width)[: self._width]
                lines.append([*padded, "", "", self._fault(record, goods)])
        self._writer(out).writerows(lines)

    @staticmethod
    def _cell(record: list[str], place: int, column: Column) -> float:
        value = column.value(record[place]) if place < len(record) else None
        return np.nan if value is None else value

    def _fault(self, record: list[str], good: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
        if len(record) != self._width:
            return f"the row has {len(record)} cells, the header {self._width}"
        return "; ".join(
            f"{column.feature.name} {expectation(column.feature)}, not {record[place][:50]!r}"
            for (place, column), fits in zip(self._places, good, strict=True)
            if not fits
        )
