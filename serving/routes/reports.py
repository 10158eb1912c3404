"""The reports as pages: those of the served version, and the latest drift check.

The pages have the paths that they have in the lake, so the links between them work here and in a
copy of the lake. /reports/card, /reports/gates, /reports/data and /reports/drift are their short
addresses.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from pipeline.storage.layout import (
    DATA_CHECK_PAGE,
    DRIFT_PAGE,
    HUGGING_FACE_CARD,
    MODEL_CARD_HTML,
    VALIDATION_PAGE,
    latest_report_file,
    report_file,
)
from serving.http.problems import NotFound, Problem
from serving.routes.common import ServiceDependency
from serving.service import Service

router = APIRouter(prefix="/reports", include_in_schema=False)

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
FILES_OF_A_RUN: Mapping[str, tuple[str, str]] = {
    MODEL_CARD_HTML: ("model card", "evaluate"),
    HUGGING_FACE_CARD: ("card for the Hugging Face Hub", "evaluate"),
    VALIDATION_PAGE: ("page with the gates", "validate"),
    DATA_CHECK_PAGE: ("data check", "preprocess"),
}
"""Each report of a training run: what it is, and the stage that writes it."""
SHORT_ADDRESSES = {"card": MODEL_CARD_HTML, "gates": VALIDATION_PAGE, "data": DATA_CHECK_PAGE}

TITLES = {401: "Log in first", 403: "Not allowed", 404: "No such report"}
PROBLEM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>:root { color-scheme: light dark } body { font: 16px/1.5 system-ui, sans-serif;
margin: 2rem auto; max-width: 42rem; padding: 0 1rem }</style>
<main><h1>%s</h1><p>%s</p><p><a href="%s">The predictor's page</a></p></main>
</html>
"""


@router.get("/drift")
async def get_drift() -> Response:
    """Redirect to the latest drift check."""
    return RedirectResponse(DRIFT_PAGE)


@router.get("/{name}")
async def get_report(name: str, service: ServiceDependency) -> Response:
    """Return the latest drift check, or redirect from a short address to the report."""
    if page := SHORT_ADDRESSES.get(name):
        return RedirectResponse(f"{_get_run_id(service)}/{page}")
    if name != DRIFT_PAGE:
        raise NotFound(
            "The reports are /reports/card, /reports/gates, /reports/data and /reports/drift.",
        )
    data = await service.reports.read(latest_report_file(DRIFT_PAGE))
    if data is None:
        raise NotFound(
            "No drift check has had a verdict yet. The stage `drift` compares recent traffic with "
            "the training data.",
        )
    return HTMLResponse(data, headers=HEADERS)


@router.get("/{run_id}/{name}")
async def get_run_report(run_id: str, name: str, service: ServiceDependency) -> Response:
    """Return a report of the served version."""
    if run_id != _get_run_id(service) or name not in FILES_OF_A_RUN:
        raise NotFound(
            f"The predictor shows only the reports of version {service.model().version}, which it "
            "serves. All reports are in the lake, in the folder of their run.",
        )
    data = await service.reports.read(report_file(run_id, name))
    if data is None:
        title, stage = FILES_OF_A_RUN[name]
        raise NotFound(
            f"Version {service.model().version} has no {title}. The stage `{stage}` of run "
            f"{run_id} writes it to the lake.",
        )
    if name.endswith(".md"):
        return Response(data, media_type="text/markdown", headers=HEADERS)
    return HTMLResponse(data, headers=HEADERS)


def _get_run_id(service: Service) -> str:
    """Id of the pipeline run that trained the served version."""
    return service.model().manifest.lineage.pipeline_run_id


def is_for_a_browser(request: Request) -> bool:
    """Whether a person opens a report, who reads a page and no problem document."""
    accepted = request.headers.get("accept", "")
    return request.url.path.startswith(f"{router.prefix}/") and "text/html" in accepted


def make_problem_page(request: Request, problem: Problem) -> Response:
    """Return a problem as a page with a link to the predictor's page, where people log in."""
    title = TITLES.get(problem.status, HTTPStatus(problem.status).phrase)
    sentence = "Log in on the predictor's page." if problem.status == 401 else str(problem)
    home = "../" * (request.url.path.count("/") - 1)
    content = PROBLEM % (title, title, html.escape(sentence), home)
    return HTMLResponse(content, problem.status, {**HEADERS, **problem.get_headers()})
