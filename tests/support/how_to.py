"""Applies the edits that a how-to page describes to a copy of the repository."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Edit:
    """An edit of a page: a new file, or lines of an existing one with what replaces them."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Make the edit below `root`.

        Raises:
            AssertionError: If the file does not contain the old lines exactly once.
        """
        path = root / self.path
        if not self.old:
            assert not path.exists(), f"{self.path} exists already"
            path.write_text(self.new)
            return
        text = path.read_text()
        assert text.count(self.old) == 1, f"{self.path} does not contain once:\n{self.old}"
        path.write_text(text.replace(self.old, self.new))


def read_edits(page: Path) -> list[Edit]:
    """Return the edits of a page in its order.

    A Python block creates the file that the text above it names. A diff block edits the file after
    `+++`; each of its hunks begins with `@@` and is an edit of its own.
    """
    edits = []
    text = page.read_text()
    for match in re.finditer(r"^```(python|diff)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        language, block = match[1], match[2]
        if language == "python":
            path = re.findall(r"^Create `([^`]+)`", text[: match.start()], re.MULTILINE)[-1]
            edits.append(Edit(path, "", block))
        else:
            header, *hunks = re.split(r"^@@\n", block, flags=re.MULTILINE)
            path = header.removeprefix("+++ ").strip()
            edits += [Edit(path, _side(hunk, "-"), _side(hunk, "+")) for hunk in hunks]
    return edits


def _side(hunk: str, sign: str) -> str:
    lines = hunk.splitlines(keepends=True)
    return "".join(line[1:] or "\n" for line in lines if line[0] in (" ", sign))


def copy_repository(target: Path) -> Path:
    """Copy the files that are needed to generate, render and run the platform."""
    ignore = shutil.ignore_patterns(".*", "local", "contrib", "tests", "__pycache__", "*.png")
    copy: Path = shutil.copytree(ROOT, target, ignore=ignore)
    return copy
