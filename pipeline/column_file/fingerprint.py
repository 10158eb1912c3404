"""The hash of what a columns file means to a model."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pipeline.column_file.model import Columns

FEATURE_FIELDS = ("kind", "name", "raw", "low", "high", "step", "codes", "raw_values")
LABEL_FIELDS = ("name", "raw", "positive_raw", "negative_raw", "positive", "negative")
"""Fields that decide how a row is read and what an answer means. A corrected description, title or
example needs no new model."""
DEFAULTS: dict[str, Any] = {"required": True, "unknown": "refuse", "until": ""}
"""Fields that count only with another value, so that files without them keep their hash."""

DATE_FIELDS = ("unit", "date_format")
"""Fields that count only if the number is the time from a date."""


def compute_hash(columns: Columns) -> str:
    """Return the SHA-256 of the fields that a model depends on.

    Comments, the order of keys and texts for people do not change it. The order of the features
    does, because it is the order of the model's inputs.
    """
    meaning = {
        "features": [
            _pick(feature, FEATURE_FIELDS) | _pick_changed(feature) for feature in columns.features
        ],
        "label": _pick(columns.label, LABEL_FIELDS),
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def _pick(column: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _to_plain(getattr(column, name)) for name in names if hasattr(column, name)}


def _pick_changed(column: Any) -> dict[str, Any]:
    picked = _pick(column, tuple(DEFAULTS))
    changed = {name: value for name, value in picked.items() if value != DEFAULTS[name]}
    return changed | (_pick(column, DATE_FIELDS) if "until" in changed else {})


def _to_plain(value: Any) -> Any:
    """Make equal numbers equal text: 15 and 15.0."""
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_whole else value
