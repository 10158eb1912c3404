"""Figures as SVG in the palette of reports, without pyplot."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from pipeline.reporting.palette import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CANDIDATE, CHAMPION, OTHER, INK = (
    LIGHT["accent"],
    LIGHT["warning"],
    LIGHT["neutral"],
    LIGHT["ink"],
)
GUIDE: dict[str, Any] = {"color": OTHER, "linestyle": ":", "linewidth": 1.5}
"""Style of lines for orientation."""

STYLE: Any = {
    "figure.facecolor": LIGHT["card"],
    "axes.facecolor": LIGHT["card"],
    "axes.edgecolor": LIGHT["neutral"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.titlecolor": LIGHT["ink"],
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "legend.facecolor": LIGHT["card"],
    "legend.edgecolor": LIGHT["line"],
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
}
"""matplotlib's settings: only colors of the palette, and text as text."""


def use_style() -> contextlib.AbstractContextManager[None]:
    """Return the context in which figures are made and encoded."""
    from matplotlib import rc_context

    return rc_context(STYLE)


def new_figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """Make a figure with one plot.

    Args:
        title: Title of the plot.
        x: Label of the x axis.
        y: Label of the y axis.
    """
    figure, (axes,) = new_figures(1, size=(5.2, 4.2))
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def new_figures(
    count: int, size: tuple[float, float] | None = None, columns: int | None = None
) -> tuple[Figure, list[Axes]]:
    """Make a figure with `count` plots, which share the y axis.

    It is made without pyplot, which keeps every figure until it is closed and looks for a display.

    Args:
        count: Number of plots.
        size: Width and height in inches; by default all plots have the same size.
        columns: Number of plots in a row; by default all are in one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns or count, count)
    lines = -(-count // columns)
    figure = Figure(figsize=size or (3.2 * columns, 2.8 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    plots: list[Axes] = []
    for index in range(count):
        first = plots[0] if plots else None
        plots.append(figure.add_subplot(lines, columns, index + 1, sharey=first))
    for axes in plots:
        axes.grid(color=LIGHT["line"], linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, plots


def to_svg(figure: Figure) -> bytes:
    """Encode a figure as SVG that follows the reader's light or dark mode."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    for role, color in LIGHT.items():
        svg = svg.replace(color, f"var(--{role})")
    light, dark = (
        "".join(f"--{role}: {color}; " for role, color in palette.items())
        for palette in (LIGHT, DARK)
    )
    style = (
        f"<style>:root {{ {light}}} @media (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}"
        "</style>"
    )
    head = svg.index(">") + 1
    return (svg[:head] + style + svg[head:]).encode()
