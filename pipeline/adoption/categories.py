"""Categories of a text column: their spellings, their order, and the rare ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.column_file.kinds import OTHER
from pipeline.column_file.names import normalize_name

MAX_CATEGORIES = 50
"""Most categories of a column that a model learns from."""
MIN_KEPT_ROWS = 10
MIN_KEPT_FRACTION = 0.01
"""Fewest rows of a category that is kept when the rare ones are pooled, and fewest of all rows."""
SCALES = (
    ("very low", "low", "medium", "high", "very high"),
    ("low", "moderate", "high"),
    ("small", "medium", "large"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("very poor", "poor", "fair", "good", "very good", "excellent"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("primary", "secondary", "tertiary"),
)
"""Scales of texts, in their order; a column may lack some of the steps."""


def merge_spellings(counts: Counter[str]) -> tuple[Counter[str], str]:
    """Count texts that differ only in case, spaces or hyphens as the most frequent one of them.

    Args:
        counts: Rows per text.

    Returns:
        Rows per text that is left, and an example of a merged text for the reason; empty if no
        text was merged.
    """
    chosen: dict[str, str] = {}
    for cell, _ in counts.most_common():
        chosen.setdefault(normalize_name(cell), cell)
    merged: Counter[str] = Counter()
    for cell, count in counts.items():
        merged[chosen[normalize_name(cell)]] += count
    others = [cell for cell in counts if cell not in merged]
    if not others:
        return counts, ""
    first = chosen[normalize_name(others[0])]
    return merged, f"; {others[0]!r:.40} counts as {first!r:.40}"


def pool_rare(counts: Counter[str], rows: int) -> dict[str, int]:
    """Keep the frequent categories and pool the others.

    Args:
        counts: Rows per category.
        rows: Rows of all categories.

    Returns:
        Rows per category that is left, with the others in OTHER; empty if these have most rows.
    """
    enough = max(MIN_KEPT_ROWS, MIN_KEPT_FRACTION * rows)
    kept = {
        cell: count
        for cell, count in counts.most_common(MAX_CATEGORIES - 1)
        if count >= enough and normalize_name(cell) != OTHER
    }
    if len(kept) < 2 or sum(kept.values()) < rows / 2:
        return {}
    return {cell: kept[cell] for cell in sorted(kept)} | {OTHER: rows - sum(kept.values())}


def find_scale(texts: Iterable[str]) -> list[str]:
    """Return texts in the order of the scale that they are from; empty if they are from none."""
    by_name = {normalize_name(text): text for text in texts}
    for scale in SCALES:
        if len(by_name) > 2 and set(by_name) <= set(scale):
            return [by_name[name] for name in scale if name in by_name]
    return []
