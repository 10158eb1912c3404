"""Requests to the predictor. `{model}` is the name of the model."""

from __future__ import annotations

import re
from typing import Any

from pipeline.columns import FEATURES
from serving.http.rows import EXAMPLE
from serving.permissions import ROUTES
from tests.support.role_requests import Call, Rows

LIST = ",".join(feature.name for feature in FEATURES) + "\n"
LIST += ",".join(str(feature.example) for feature in FEATURES) + "\n"
CSV = {"Content-Type": "text/csv"}
CODES = [
    getattr(feature, "codes", {}).get(feature.example, feature.example) for feature in FEATURES
]
TENSOR: dict[str, Any] = {
    "inputs": [
        {
            "name": "features",
            "datatype": "FP32",
            "shape": [1, len(FEATURES)],
            "data": CODES,
        }
    ]
}
MODEL = "/v2/models/{model}"
UNKNOWN_VERSION = f"{MODEL}/versions/unknown"
MISSING = (404,)


def get(*paths: str, allowed: tuple[int, ...] = ()) -> tuple[Call, ...]:
    """Return a request for each path."""
    return tuple(Call("GET", path, allowed=allowed) for path in paths)


PAGES = "open the page, `/docs`"
"""The row of pages that a browser without a login may not see on a cluster, though they are open:
the login's proxy sends it to the issuer."""
REPORTS = "open `/reports/card`, `/reports/drift`, `/reports/RUN/REPORT`"
BY_BROWSER = (PAGES, REPORTS)
"""Rows whose login is the proxy's."""

ROWS: Rows = {
    "`GET /healthz`, `/readyz`, `/ping`, `/health`, `/v2/health/live`, `/v2/health/ready`": get(
        "/healthz", "/readyz", "/ping", "/health", "/v2/health/live", "/v2/health/ready"
    ),
    "`GET /session`, `/page/FILE`, `/swagger/FILE`": get(
        "/session", "/page/app.js", "/swagger/swagger-ui.css"
    ),
    PAGES: get("/", "/docs"),
    REPORTS: (
        *get("/reports/card"),
        *get("/reports/drift", "/reports/unknown/model_card.html", allowed=MISSING),
    ),
    "`GET /model`, `/columns`, `/version`, `/openapi.json`": get(
        "/model", "/columns", "/version", "/openapi.json"
    ),
    "`GET /v2`, `/v2/models/NAME`, also with `/ready` and `/versions/VERSION`": (
        *get("/v2", MODEL, f"{MODEL}/ready"),
        *get(UNKNOWN_VERSION, f"{UNKNOWN_VERSION}/ready", allowed=MISSING),
    ),
    "`POST /predict`, `/predict/csv`, `/invocations`": (
        Call("POST", "/predict", EXAMPLE),
        Call("POST", "/predict/csv", LIST, CSV),
        Call("POST", "/invocations", LIST, CSV),
    ),
    "`POST /v2/models/NAME/infer`, also with `/versions/VERSION`": (
        Call("POST", f"{MODEL}/infer", TENSOR),
        Call("POST", f"{UNKNOWN_VERSION}/infer", TENSOR, allowed=MISSING),
    ),
    "`GET /metrics`": get("/metrics"),
}


def find_route(path: str) -> str:
    """Return the route of serving.permissions.ROUTES that a path belongs to."""
    for route in ROUTES:
        pattern = re.sub(r"{\w+}", "[^/]+", route)
        if re.fullmatch(pattern, path) or (
            route in ("/page", "/swagger") and path.startswith(f"{route}/")
        ):
            return route
    raise AssertionError(f"no route has the path {path}")
