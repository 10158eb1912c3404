"""Decide what each column of a table is, and why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from pipeline.adoption.categories import (
    MAX_CATEGORIES,
    find_scale,
    merge_spellings,
    pool_rare,
)
from pipeline.adoption.dates import Elapsed, measure_dates
from pipeline.adoption.label import AdoptedLabel
from pipeline.adoption.table import Table, is_number
from pipeline.column_file.blanks import is_blank
from pipeline.column_file.dates import FORMATS, parse_date
from pipeline.model.intervals import roc_auc
from pipeline.types import FloatArray

MIN_CATEGORY_ROWS = 5
"""Fewest rows per category, on average."""
MAX_STEPS = 10_000
"""Most steps between the smallest and the largest value of a number."""
LEAK_AUC = 0.99
"""ROC AUC of a single column from which it counts as a leak."""
LEAK_CORRELATION = 0.75
"""Correlation with a label that is a number from which a column counts as a leak."""
MIN_ID_ROWS = 20
"""Fewest rows among which different values in every row are a sign of an identifier."""

DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}( .*)?")
ID_NAME = re.compile(r"(^|[^a-z])(id|uuid|key|index|nr|no)$|^unnamed", re.IGNORECASE)


@dataclass(frozen=True)
class Decision:
    """What a column is.

    Attributes:
        raw: Header of the column.
        kind: `number`, `category`, `date`, or why the column is left out: `id`, `leak`,
            `constant`, `blank`, `text` or `mixed`.
        reason: The evidence.
        values: The column as numbers, for a number or a date; NaN for a blank.
        counts: Rows per category, for a category, in the order of the codes.
        has_names: Whether the file has names of categories, not numbers.
        blanks: Number of rows in which the column is blank.
        is_ordered: Whether the categories have an order.
        has_other: Whether the category `other` holds the rare ones.
        elapsed: How a date becomes a number.
    """

    raw: str
    kind: str
    reason: str
    values: FloatArray = field(default_factory=lambda: np.zeros(0))
    counts: dict[str, int] = field(default_factory=dict)
    has_names: bool = False
    blanks: int = 0
    is_ordered: bool = False
    has_other: bool = False
    elapsed: Elapsed | None = None

    @property
    def is_feature(self) -> bool:
        """Whether a model learns from the column."""
        return self.kind in ("number", "category") or self.elapsed is not None

    @property
    def is_number(self) -> bool:
        """Whether the feature is a number."""
        return self.kind == "number" or self.elapsed is not None


def judge_columns(
    table: Table, label: AdoptedLabel, keep: Sequence[str], roles: Collection[str] = ()
) -> list[Decision]:
    """Decide what each column is that is neither the label nor has a role.

    Args:
        table: The table.
        label: Its label.
        keep: Headers of columns that are kept even if their values look like a leak.
        roles: Headers of the columns with a role.

    Returns:
        One decision per column, in the order of the file.
    """
    decisions = []
    dates = measure_dates(table, label.raw)
    for raw, cells in table.columns.items():
        if raw == label.raw or raw in roles:
            continue
        decision = judge_dates(raw, dates[raw]) if raw in dates else judge_column(raw, cells)
        if decision.is_feature and raw not in keep:
            leak = find_leak(cells, decision, label)
            decision = Decision(raw, "leak", leak) if leak else decision
        decisions.append(decision)
    return decisions


def judge_dates(raw: str, elapsed: Elapsed) -> Decision:
    """Decide what a column of dates is.

    Args:
        raw: Its header.
        elapsed: The times until another date.
    """
    known = elapsed.values[~np.isnan(elapsed.values)]
    if not known.size or known.min() == known.max():
        return Decision(raw, "constant", f"every date is the same time before {elapsed.until}")
    blanks = len(elapsed.values) - known.size
    counted = f"; {blanks:,} of {len(elapsed.values):,} rows are blank" if blanks else ""
    reason = f"dates {known.min():g} to {known.max():g} {elapsed.unit} before {elapsed.until}"
    return Decision(
        raw, "date", reason + counted, values=elapsed.values, blanks=blanks, elapsed=elapsed
    )


def judge_column(raw: str, cells: Sequence[str]) -> Decision:
    """Decide what a column is, without regard to the label.

    Args:
        raw: Its header.
        cells: Its cells.
    """
    counts = Counter(cells)  # texts are parsed once per distinct cell: a long file has few of them
    blank = {cell for cell in counts if is_blank(cell)}
    blanks = sum(counts.pop(cell) for cell in blank)
    known = len(cells) - blanks
    if not known:
        return Decision(raw, "blank", "every row is blank")
    for name, is_one in (("numbers", is_number), ("dates", _is_date)):
        others = {cell for cell in counts if not is_one(cell)}
        found = sum(counts[cell] for cell in others)
        if 0 < found < known / 2:
            rows = islice((at for at, cell in enumerate(cells) if cell in others), 3)
            first = ", ".join(f"row {at + 1}: {cells[at]!r:.30}" for at in rows)
            counted = f"{found:,} of {len(cells):,} rows are not"
            return Decision(raw, "mixed", f"{name}, but {counted} ({first})")
    decision = _judge_known(raw, counts)
    values = decision.values
    if decision.kind == "number":
        numbers = {cell: float(cell) for cell in counts} | dict.fromkeys(blank, math.nan)
        values = np.array([numbers[cell] for cell in cells])
    if not blanks:
        return replace(decision, values=values)
    reason = f"{decision.reason}; {blanks:,} of {len(cells):,} rows are blank"
    return replace(decision, reason=reason, values=values, blanks=blanks)


def _judge_known(raw: str, counts: Counter[str]) -> Decision:
    """Decide what a column is, from its known cells; the values of a number are not filled in."""
    if len(counts) == 1:
        return Decision(raw, "constant", f"every row is {next(iter(counts))!r:.40}")
    if all(DATE.fullmatch(cell) for cell in counts):
        return Decision(
            raw,
            "text",
            f"the day and the month of {next(iter(counts))!r} are ambiguous; write dates such as "
            "2026-01-31",
        )
    if all(map(is_number, counts)):
        return _judge_numbers(raw, counts)
    return _judge_texts(raw, counts)


def _judge_numbers(raw: str, counts: Counter[str]) -> Decision:
    rows: Counter[float] = Counter()
    for cell, count in counts.items():
        rows[float(cell)] += count
    distinct = np.array(sorted(rows))
    if len(distinct) == 1:
        return Decision(raw, "constant", f"every row is {distinct[0]:g}")
    is_whole = bool((distinct % 1 == 0).all())
    if is_whole and len(distinct) == rows.total() >= MIN_ID_ROWS:
        is_consecutive = bool((np.diff(distinct) == 1).all())
        if is_consecutive or ID_NAME.search(raw):
            return Decision(raw, "id", "a different whole number in every row")
    if len(distinct) == 2:
        codes = {f"{value:g}": rows[value] for value in distinct.tolist()}
        return Decision(raw, "category", f"two values, {' and '.join(codes)}", counts=codes)
    shape = "whole numbers" if is_whole else "numbers"
    reason = f"{len(distinct):,} different {shape}, {distinct[0]:g} to {distinct[-1]:g}"
    return Decision(raw, "number", reason)


def _judge_texts(raw: str, counts: Counter[str]) -> Decision:
    rows = counts.total()
    counts, spellings = merge_spellings(counts)
    if len(counts) == rows >= MIN_ID_ROWS:
        return Decision(raw, "id", "a different text in every row")
    is_long = len(counts) > MAX_CATEGORIES or rows < MIN_CATEGORY_ROWS * len(counts)
    if is_long and (pooled := pool_rare(counts, rows)):
        named = f"{len(counts):,} different texts: {', '.join(pooled)}, which holds the rare ones"
        return Decision(raw, "category", named, counts=pooled, has_names=True, has_other=True)
    if len(counts) > MAX_CATEGORIES:
        return Decision(
            raw,
            "text",
            f"{len(counts):,} different texts; at most {MAX_CATEGORIES} categories are supported",
        )
    if rows < MIN_CATEGORY_ROWS * len(counts):
        return Decision(
            raw,
            "text",
            f"{len(counts):,} different texts in {rows:,} rows; a category needs "
            f"{MIN_CATEGORY_ROWS} rows on average",
        )
    scale = find_scale(counts)
    ordered = {cell: counts[cell] for cell in scale or sorted(counts)}
    kind = "ordered categories" if scale else "categories"
    named = f"{len(counts)} {kind}: {', '.join(ordered)}{spellings}"
    return Decision(raw, "category", named, counts=ordered, has_names=True, is_ordered=bool(scale))


def _is_date(cell: str) -> bool:
    return DATE.fullmatch(cell) is not None and any(parse_date(cell, one) for one in FORMATS)


def find_leak(cells: Sequence[str], decision: Decision, label: AdoptedLabel) -> str:
    """Return why a column is a leak of the label; empty if it is not.

    Args:
        cells: The column's cells.
        decision: What the column is.
        label: The label.
    """
    known = np.array([outcome is not None for outcome in label.outcomes])
    positive = np.array([bool(outcome) for outcome in label.outcomes])[known]
    if decision.is_number:
        values = decision.values[known]
        values = np.where(np.isnan(values), np.nanmin(decision.values) - 1, values)
    else:  # order the categories by their rate of positive rows
        kept = [cell for cell, is_known in zip(cells, known.tolist(), strict=True) if is_known]
        totals, hits = Counter(kept), Counter(np.array(kept)[positive].tolist())
        values = np.array([hits[cell] / totals[cell] for cell in kept])
    if label.numbers and decision.is_number:
        numbers, given = np.array(label.numbers)[known], ~np.isnan(decision.values[known])
        correlation = float(np.corrcoef(values[given], numbers[given])[0, 1])
        if abs(correlation) >= LEAK_CORRELATION:
            return f"its correlation with {label.raw} is {correlation:.2f}"
    area = roc_auc(positive.astype(np.int64), values)
    area = max(area, 1 - area)
    if area >= LEAK_AUC:
        return f"it predicts the label by itself (ROC AUC {math.floor(area * 1000) / 1000:.3f})"
    return ""
