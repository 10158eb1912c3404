"""Which roles may use which route. Programs with an API key may use all of them.

ROUTES declares each route of the application; a route that is missing here fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """A role of single sign-on. Of several roles of a person, the first in this order counts."""

    ADMIN = "admin"
    OPERATOR = "operator"
    TUTOR = "tutor"
    APPROVER = "approver"
    VIEWER = "viewer"


class Access(StrEnum):
    """What a route gives access to."""

    OPEN = "nothing that needs a login"
    READ = "the description of the model and of the columns"
    PREDICT = "predictions"


ALLOWED: Mapping[Access, frozenset[Role]] = {
    Access.READ: frozenset(Role),
    Access.PREDICT: frozenset({Role.ADMIN, Role.OPERATOR, Role.TUTOR}),
}
"""The roles that a route of this access needs one of."""

MODELS = "/v2/models/{name}"
VERSIONS = f"{MODELS}/versions/{{version}}"

HEALTH = frozenset(
    {"/healthz", "/readyz", "/ping", "/health", "/v2/health/live", "/v2/health/ready"}
)
"""Routes that report only a state, without its reason, if requests need a login."""

ROUTES: Mapping[str, Access] = {
    **dict.fromkeys(("/", "/docs", "/page", "/swagger"), Access.OPEN),
    **dict.fromkeys(HEALTH, Access.OPEN),
    **dict.fromkeys(("/metrics", "/session"), Access.OPEN),
    **dict.fromkeys(("/model", "/columns", "/openapi.json", "/version"), Access.READ),
    **dict.fromkeys(("/reports/drift", "/reports/{name}"), Access.READ),
    "/reports/{run_id}/{name}": Access.READ,
    **dict.fromkeys(("/v2", MODELS, VERSIONS), Access.READ),
    **dict.fromkeys((f"{MODELS}/ready", f"{VERSIONS}/ready"), Access.READ),
    **dict.fromkeys(("/predict", "/predict/csv", "/invocations"), Access.PREDICT),
    **dict.fromkeys((f"{MODELS}/infer", f"{VERSIONS}/infer"), Access.PREDICT),
}
"""Access of each route, by the path under which the application has it."""
