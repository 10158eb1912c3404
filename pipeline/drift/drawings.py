"""Drawings of the drift page: two distributions as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from pipeline.drift.report import Distribution

WIDTH, HEIGHT = 520, 170  # of a histogram, in CSS pixels
LEFT, BOTTOM, TOP = 40, 24, 8  # margins for its axes
ROW, BAR = 44, 15  # height of a category's row, and of each of its two bars
LABEL_WIDTH, NUMBER_WIDTH = 120, 50  # of a category's name, and of its percentage


def draw(title: str, distribution: Distribution) -> Markup:
    """Draw both sides of a column's distribution.

    Args:
        title: Name of the column, for screen readers.
        distribution: Fractions per bin of a number, or per value of a category.
    """
    if distribution.labels is not None:
        return draw_bars(title, distribution)
    return draw_histogram(title, distribution)


def draw_histogram(title: str, distribution: Distribution) -> Markup:
    """Draw two step curves over the same bins."""
    assert distribution.edges is not None
    top = max(*distribution.reference, *distribution.current)
    floor, width = HEIGHT - BOTTOM, (WIDTH - LEFT) / len(distribution.reference)

    def curve(fractions: Sequence[float], side: str) -> str:
        points: list[tuple[float, float]] = [(LEFT, floor)]
        for index, fraction in enumerate(fractions):
            y = floor - fraction / top * (floor - TOP)
            points += [(LEFT + index * width, y), (LEFT + (index + 1) * width, y)]
        points.append((WIDTH, floor))
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return f'<polygon class="{side}" points="{text}"/>'

    low, high = distribution.edges[0], distribution.edges[-1]
    ticks = []
    for tick in round_ticks(low, high):
        x = LEFT + (tick - low) / (high - low) * (WIDTH - LEFT)
        anchor = "middle" if x < WIDTH - LEFT else "end"
        ticks.append(f'<text x="{x:.0f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{tick:g}</text>')
    return _svg(
        f"{title}: distribution of the reference and of the current rows",
        HEIGHT,
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{top:.0%}</text>'
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{floor}" y2="{floor}"/>'
        f"{curve(distribution.reference, 'reference')}{curve(distribution.current, 'current')}"
        f"{''.join(ticks)}",
    )


def round_ticks(low: float, high: float) -> list[float]:
    """Return 4 to 10 round values within [low, high]."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= max(factor for factor in (1, 2, 5) if (high - low) / (step * factor) >= 4)
    return [
        round(index * step, 9)
        for index in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]


def draw_bars(title: str, distribution: Distribution) -> Markup:
    """Draw two bars per value."""
    assert distribution.labels is not None
    longest = max(*distribution.reference, *distribution.current)
    parts = []
    for index, label in enumerate(distribution.labels):
        y = index * ROW + 6
        parts.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{y + BAR + 4}" text-anchor="end">'
            f"{escape(label)}</text>"
        )
        for offset, side, fraction in (
            (0, "reference", distribution.reference[index]),
            (BAR + 1, "current", distribution.current[index]),
        ):
            length = fraction / longest * (WIDTH - LABEL_WIDTH - NUMBER_WIDTH)
            parts.append(
                f'<rect class="bar {side}" x="{LABEL_WIDTH}" y="{y + offset}" '
                f'width="{length:.1f}" height="{BAR}"/>'
                f'<text x="{LABEL_WIDTH + length + 6:.1f}" y="{y + offset + 12}">'
                f"{fraction:.1%}</text>"
            )
    height = len(distribution.labels) * ROW
    return _svg(f"{title}: fractions in the reference and in the current rows", height, *parts)


def _svg(label: str, height: int, *parts: str) -> Markup:
    """An SVG element; the parts are markup whose text is escaped already."""
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
