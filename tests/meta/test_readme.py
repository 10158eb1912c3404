"""The README and the pages of docs/ link to files that exist and name targets of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_have_a_target(page: Path) -> None:
    """Every relative link and picture of a page is a file of this repository."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [target for target in targets if "://" not in target]
    missing = [
        target
        for target in local
        if not (ROOT / target[1:] if target[0] == "/" else page.parent / target).exists()
    ]
    assert missing == []


def test_make_targets_exist() -> None:
    """Each `make TARGET` that README names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z0-9]+)", README)) - targets == set()
