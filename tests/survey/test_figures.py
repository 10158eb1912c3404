"""Pages do not show how well a model ranks the survey's rows without saying what that means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.columns import FILE_NOTES
from tests.support.helm import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIGURE = re.compile(r"(?:ROC AUC|\broc_auc\b)[^\n]{0,40}\b0\.(?:7[7-9]|8)\d*")
"""A ROC AUC above the highest one that is possible on new rows."""
LINES = 30


def find_bare_figures(text: str, required: str) -> list[str]:
    """Lines with such a figure that have no mention of the ceiling within LINES lines."""
    lines = text.splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if FIGURE.search(line)
        and required not in "\n".join(lines[max(0, number - LINES) : number + LINES])
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_figure_has_its_ceiling_near(page: Path) -> None:
    """The ceiling is the one of the survey file's note."""
    (note,) = FILE_NOTES.values()
    ceiling = re.search(r"ROC AUC of (0\.\d+)", note)
    assert ceiling is not None
    assert find_bare_figures(page.read_text(), ceiling[1]) == []


def test_a_bare_figure_is_found() -> None:
    """In a table, in prose and in printed output."""
    text = "| ROC AUC | 0.814 | 0.78 |\nthe ROC AUC is about 0.79\n| roc_auc  | 0.781 |\n"
    assert len(find_bare_figures(text, "0.7605")) == 3
    assert find_bare_figures(f"{text}0.7605", "0.7605") == []
