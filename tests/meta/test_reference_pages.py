"""Reference pages are what the code says now."""

from __future__ import annotations

import pytest

from docs.pages import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    """A committed reference page is the generated one; `make docs` writes it again."""
    assert (FOLDER / name).read_text() == PAGES[name]()
