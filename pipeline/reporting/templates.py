"""Render the Jinja templates of reports.

An HTML template extends `base.html.j2`, which brings the skeleton of the page, the palette as CSS
variables and the styles that all pages share. It fills these blocks:

* `style`: CSS of this page only.
* `content`: the content of `<main>`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from pipeline.reporting import palette

FOLDER = Path(__file__).parent


def render(template: Path, **values: Any) -> str:
    """Render a template.

    Args:
        template: The file. It can extend and include templates of its folder and of this one.
            Values are escaped in `.html.j2` files, and written as they are in `.md.j2` files.
        values: Variables of the template. A page needs `title`.

    Returns:
        The rendered text.

    Raises:
        jinja2.UndefinedError: If the template uses a variable that was not passed.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, FOLDER]),
        autoescape=select_autoescape(
            enabled_extensions=("html.j2",), disabled_extensions=("md.j2",), default=True
        ),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline_code"] = inline_code
    environment.filters["stack_interval"] = stack_interval
    colors = {"light": palette.LIGHT, "dark": palette.DARK}
    return environment.get_template(template.name).render(palette=colors, **values)


def inline_code(text: str) -> Markup:
    """Escape text for HTML and set the parts between backticks as code.

    A browser may break a long name after an underscore.
    """

    def to_code(match: re.Match[str]) -> str:
        return f"<code>{match[1].replace('_', '_<wbr>')}</code>"

    return Markup(re.sub(r"`([^`]+)`", to_code, str(escape(text))))  # noqa: S704


def stack_interval(cell: str) -> Markup:
    """Escape a number for HTML and put its interval, in parentheses, on a separate line."""
    value, bracket, interval = cell.partition(" (")
    if not bracket:
        return escape(cell)
    return Markup('{}<br><span class="muted">({}</span>').format(value, interval)
