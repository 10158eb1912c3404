"""Files and blocks that are generated from the code match it."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.pages import GENERATED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_generated_file_is_up_to_date(path: Path) -> None:
    """The committed file equals the generated one. If this fails, run `make docs`."""
    assert path.read_text() == GENERATED[path]()
