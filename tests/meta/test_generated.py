"""Files and blocks that are generated from the code match it."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.pages import GENERATED
from pipeline import stages
from pipeline.__main__ import overview

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_generated_file_is_up_to_date(path: Path) -> None:
    """The committed file equals the generated one. If this fails, run `make docs`."""
    assert path.read_text() == GENERATED[path]()


EXIT_CODES = {name: code for name, code in vars(stages).items() if name.startswith("EXIT_")}
EXIT_CODES.pop("EXIT_CODES")


@pytest.mark.parametrize("name", EXIT_CODES)
def test_exit_codes_are_documented(name: str) -> None:
    """The reference page and the command's overview explain every exit code."""
    code = EXIT_CODES[name]
    page = (ROOT / "docs" / "reference" / "stages.md").read_text()
    assert f"| {code} | {stages.EXIT_CODES[code]} |" in page
    assert f"  {code:<12} {stages.EXIT_CODES[code]}" in overview()
