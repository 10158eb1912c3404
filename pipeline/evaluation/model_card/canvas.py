"""Figures without pyplot, and the colors that all plots share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from pipeline.reporting.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CANDIDATE, CHAMPION, OTHER = LIGHT["accent"], LIGHT["warning"], LIGHT["neutral"]
GUIDE: dict[str, Any] = {"color": OTHER, "linestyle": ":", "linewidth": 1}
"""Style of lines for orientation."""


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


def new_figures(count: int, size: tuple[float, float] | None = None) -> tuple[Figure, list[Axes]]:
    """Make a figure with `count` plots in a row.

    It is made without pyplot, which keeps every figure until it is closed and looks for a display.

    Args:
        count: Number of plots.
        size: Width and height in inches; by default all plots have the same size.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size or (3.1 * count, 3.0), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    plots = [figure.add_subplot(1, count, index + 1) for index in range(count)]
    for axes in plots:
        axes.grid(color=LIGHT["line"], linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, plots


def to_png(figure: Figure) -> bytes:
    """Encode a figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
