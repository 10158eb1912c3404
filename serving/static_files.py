"""The page at `/` and the API's documents at `/docs`: files of this origin alone, so that both work without the internet.

No build step: the browser gets the modules of serving/page/ as they are. A policy forbids every other source, inline scripts
and inline styles, so that text which reaches the page (a column's name, a file's cell) can never run.
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
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again, and answered 304 while unchanged: an upgrade is seen at once
}


class Assets(StaticFiles):
    """A folder's files under the policy's headers."""

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
    """Adds `/`, `/docs` and their files to an app made with `docs_url=None`."""

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
