"""Text as YAML reads it."""

from __future__ import annotations

import json
import re


def quote(text: str) -> str:
    """Write text as YAML reads it: plain if it can be, else in double quotes."""
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*( [A-Za-z0-9_]+)*", text)
    if is_plain and text.lower() not in ("true", "false", "null"):
        return text
    return json.dumps(text, ensure_ascii=False)
