"""The colors of reports and of the figures in them."""

from __future__ import annotations

LIGHT = {
    "ink": "#1d2433",
    "muted": "#5b6475",
    "line": "#d9dee8",
    "card": "#ffffff",
    "background": "#f4f6fa",
    "accent": "#2563eb",
    "neutral": "#8a94a8",
    "warning": "#b45309",
    "good": "#15803d",
    "bad": "#b91c1c",
}
"""Colours by role. In a template `LIGHT["ink"]` is the CSS variable `--ink`."""

DARK = {
    "ink": "#e6eaf2",
    "muted": "#a3adbf",
    "line": "#364154",
    "card": "#1a2130",
    "background": "#10151f",
    "accent": "#60a5fa",
    "neutral": "#8a94a8",
    "warning": "#fbbf24",
    "good": "#4ade80",
    "bad": "#f87171",
}
"""The same roles for readers whose system asks for dark pages."""
