"""Find uv, which installs and runs packages in separate environments."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def find_uv() -> str | None:
    """Return uv's path: on PATH, or where the Makefile installs it."""
    return shutil.which("uv") or shutil.which(
        "uv", path=str(ROOT / "local" / "tools" / "uv" / "bin")
    )
