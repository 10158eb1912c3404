"""Decide what each column of a table is, and why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.adoption.label import AdoptedLabel
from pipeline.adoption.table import Table, is_number
from pipeline.column_file.blanks import is_blank
from pipeline.column_file.model import find_equal_names
from pipeline.model.intervals import roc_auc
from pipeline.types import FloatArray

MAX_CATEGORIES = 50
"""Most categories of a column that a model learns from."""
MIN_CATEGORY_ROWS = 5
"""Fewest rows per category, on average."""
MAX_STEPS = 10_000
"""Most steps between the smallest and the largest value of a number."""
LEAK_AUC = 0.99
"""ROC AUC of one column by itself from which it counts as a leak."""
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
        kind: `number`, `category`, or why the column is left out: `id`, `date`, `leak`,
            `constant`, `blank`, `text` or `mixed`.
        reason: The evidence.
        values: The column as numbers, for a number; NaN for a blank.
        counts: Rows per category, for a category, in the order of the codes.
        has_names: Whether the file has names of categories, not numbers.
        blanks: Number of rows in which the column is blank.
    """

    raw: str
    kind: str
    reason: str
    values: FloatArray = field(default_factory=lambda: np.zeros(0))
    counts: dict[str, int] = field(default_factory=dict)
    has_names: bool = False
    blanks: int = 0

    @property
    def is_feature(self) -> bool:
        """Whether a model learns from the column."""
        return self.kind in ("number", "category")


def judge_columns(table: Table, label: AdoptedLabel, keep: Sequence[str]) -> list[Decision]:
    """Decide what each column but the label is.

    Args:
        table: The table.
        label: Its label.
        keep: Headers of columns that are not leaks, whatever their values show.

    Returns:
        One decision per column, in the order of the file.
    """
    decisions = []
    for raw, cells in table.columns.items():
        if raw == label.raw:
            continue
        decision = judge_column(raw, cells)
        if decision.is_feature and raw not in keep:
            leak = find_leak(cells, decision, label)
            decision = Decision(raw, "leak", leak) if leak else decision
        decisions.append(decision)
    return decisions


def judge_column(raw: str, cells: Sequence[str]) -> Decision:
    """Decide what a column is, without regard to the label.

    Args:
        raw: Its header.
        cells: Its cells.
    """
    known = [cell for cell in cells if not is_blank(cell)]
    if not known:
        return Decision(raw, "blank", "every row is blank")
    decision = _judge_known(raw, known)
    blanks = len(cells) - len(known)
    if not blanks:
        return decision
    values = decision.values
    if decision.kind == "number":
        values = np.array([np.nan if is_blank(cell) else float(cell) for cell in cells])
    reason = f"{decision.reason}; {blanks:,} of {len(cells):,} rows are blank"
    return replace(decision, reason=reason, values=values, blanks=blanks)


def _judge_known(raw: str, cells: Sequence[str]) -> Decision:
    """Decide what a column without blanks is."""
    counts = Counter(cells)
    if len(counts) == 1:
        return Decision(raw, "constant", f"every row is {next(iter(counts))!r:.40}")
    if all(DATE.fullmatch(cell) for cell in counts):
        return Decision(raw, "date", "dates are not supported; use the days between two dates")
    if all(map(is_number, counts)):
        return _judge_numbers(raw, cells, counts)
    return _judge_texts(raw, cells, counts)


def _judge_numbers(raw: str, cells: Sequence[str], counts: Counter[str]) -> Decision:
    values = np.array([float(cell) for cell in cells])
    distinct = np.unique(values)
    if len(distinct) == 1:
        return Decision(raw, "constant", f"every row is {distinct[0]:g}")
    is_whole = bool((distinct % 1 == 0).all())
    if is_whole and len(distinct) == len(values) >= MIN_ID_ROWS:
        is_consecutive = bool((np.diff(distinct) == 1).all())
        if is_consecutive or ID_NAME.search(raw):
            return Decision(raw, "id", "a different whole number in every row")
    if len(distinct) == 2:
        codes = {f"{value:g}": int((values == value).sum()) for value in distinct}
        return Decision(raw, "category", f"two values, {' and '.join(codes)}", counts=codes)
    shape = "whole numbers" if is_whole else "numbers"
    reason = f"{len(distinct):,} different {shape}, {distinct[0]:g} to {distinct[-1]:g}"
    return Decision(raw, "number", reason, values=values)


def _judge_texts(raw: str, cells: Sequence[str], counts: Counter[str]) -> Decision:
    numbers = sum(count for cell, count in counts.items() if is_number(cell))
    if numbers > len(cells) / 2:
        rows = [index for index, cell in enumerate(cells) if not is_number(cell)]
        first = ", ".join(f"row {index + 1}: {cells[index]!r:.30}" for index in rows[:3])
        return Decision(
            raw, "mixed", f"numbers, but {len(rows):,} of {len(cells):,} rows are text ({first})"
        )
    if len(counts) == len(cells) >= MIN_ID_ROWS:
        return Decision(raw, "id", "a different text in every row")
    if len(counts) > MAX_CATEGORIES:
        return Decision(
            raw,
            "text",
            f"{len(counts):,} different texts; at most {MAX_CATEGORIES} categories are supported",
        )
    if len(cells) < MIN_CATEGORY_ROWS * len(counts):
        return Decision(
            raw,
            "text",
            f"{len(counts):,} different texts in {len(cells):,} rows; a category needs "
            f"{MIN_CATEGORY_ROWS} rows on average",
        )
    if alike := next(find_equal_names(counts), None):
        first, second = alike
        return Decision(
            raw, "text", f"{first!r:.40} and {second!r:.40} differ only in case, spaces or hyphens"
        )
    ordered = {cell: counts[cell] for cell in sorted(counts)}
    named = f"{len(counts)} categories: {', '.join(ordered)}"
    return Decision(raw, "category", named, counts=ordered, has_names=True)


def find_leak(cells: Sequence[str], decision: Decision, label: AdoptedLabel) -> str:
    """Return why a column is a leak of the label; empty if it is not.

    Args:
        cells: The column's cells.
        decision: What the column is.
        label: The label.
    """
    known = np.array([outcome is not None for outcome in label.outcomes])
    positive = np.array([bool(outcome) for outcome in label.outcomes])[known]
    if decision.kind == "number":
        values = decision.values[known]
        values = np.where(np.isnan(values), np.nanmin(decision.values) - 1, values)
    else:  # order the categories by their rate of positive rows
        kept = [cell for cell, is_known in zip(cells, known.tolist(), strict=True) if is_known]
        totals, hits = Counter(kept), Counter(np.array(kept)[positive].tolist())
        values = np.array([hits[cell] / totals[cell] for cell in kept])
    if label.numbers and decision.kind == "number":
        numbers, given = np.array(label.numbers)[known], ~np.isnan(decision.values[known])
        correlation = float(np.corrcoef(values[given], numbers[given])[0, 1])
        if abs(correlation) >= LEAK_CORRELATION:
            return f"its correlation with {label.raw} is {correlation:.2f}"
    area = roc_auc(positive.astype(np.int64), values)
    area = max(area, 1 - area)
    if area >= LEAK_AUC:
        return f"it predicts the label by itself (ROC AUC {math.floor(area * 1000) / 1000:.3f})"
    return ""
