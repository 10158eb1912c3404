"""What people read first is true: its table is the code's, its links lead somewhere, its verbs are the Makefile's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.pages import stages_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_stage_table() -> None:
    """README shows the stage table as the reference page does."""
    assert stages_table() in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every link and picture of a page is a file of this repository, or an address elsewhere."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [target for target in targets if "://" not in target]
    missing = [
        target
        for target in local
        if not (ROOT / target[1:] if target[0] == "/" else page.parent / target).exists()
    ]
    assert missing == []


def test_verbs_are_the_makefiles() -> None:
    """Each `make VERB` that README names is a target."""
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z0-9]+)", README)) - targets == set()
