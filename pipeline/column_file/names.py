"""Names in a columns file, and when two of them are equal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAX_NAME_LENGTH = 1_000
"""Characters of a name that are read; a request may hold longer ones."""


def normalize_name(name: str) -> str:
    """Return a name in lower case, with a space for spaces, hyphens and underscores."""
    name = name[:MAX_NAME_LENGTH].replace("\u2019", "'")
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def to_title(name: str) -> str:
    """Return the title of a name: "Review hours" for `review_hours`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def to_slug(text: str) -> str:
    """Return a text in lower case, with hyphens for all but letters and digits."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def find_equal_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of names that are equal after `normalize_name`, the earlier name first."""
    first: dict[str, str] = {}
    for name in names:
        same = first.setdefault(normalize_name(name), name)
        if same != name:
            yield same, name
