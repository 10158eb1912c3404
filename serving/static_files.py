"""The page at `/` and the API documentation at `/docs`, served without external resources.

There is no build step: the browser loads the modules of serving/page/ as they are. The content
security policy forbids other origins, inline scripts and inline styles, so that text from a
column's name or a file's cell can never run as a script.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Response
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE = Path(__file__).parent / "page"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Browsers revalidate, and get 304 for unchanged files: an upgrade is visible immediately.
    "Cache-Control": "no-cache",
}


class Assets(StaticFiles):
    """Serves the files of a folder with the security headers."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Add `/`, `/docs` and their files to an application created with `docs_url=None`."""

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=HEADERS)

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html", headers=HEADERS)

    app.mount("/page", Assets(directory=PAGE), name="page")
    app.mount(
        "/swagger", Assets(directory=str(files("fastapi_offline") / "static")), name="swagger"
    )
