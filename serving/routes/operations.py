"""Health, readiness, metrics and the served model. None of these routes calls another service."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from serving.http.problems import StopFacts
from serving.http.responses import ModelFacts
from serving.routes.common import ServiceDependency, problems
from serving.service import Service

router = APIRouter(tags=["operations"])
metrics_router = APIRouter(tags=["operations"])
"""The route of the metrics, without MLOPS_PREDICTOR__METRICS_PORT."""

METRICS_PATH, MODEL_PATH = "/metrics", "/model"
METRICS_TYPE = CONTENT_TYPE_LATEST

FROM_MANIFEST = {"name", "run_id", "family", "created", "features", "lineage", "metrics", "gates"}
"""Fields of `/model` that are those of the bundle's manifest."""


class Health(BaseModel):
    status: str


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Health:
    """Liveness: 200 as long as the process responds."""
    return Health(status="alive")


@router.get("/readyz", summary="Can it predict?", responses=problems(503))
async def readyz(service: ServiceDependency) -> Health:
    """Readiness: a model is loaded, or answers are stopped by an operator.

    Stopped predictors stay ready, so that clients get the reason instead of no connection.
    With MLOPS_PREDICTOR__READY_WITHOUT_MODEL the process is also ready while the registry has no
    promoted version.
    """
    service.check_accepts_traffic()
    if service.settings.ready_without_model and service.models.nothing_promoted_yet:
        return Health(status="waiting for a first model")
    service.model()
    return Health(status="stopped" if service.stop_watcher.stop_marker else "ready")


@router.get(
    MODEL_PATH,
    summary="The served model: its version, lineage and metrics",
    responses=problems(401, 403, 503),
)
async def model(service: ServiceDependency) -> ModelFacts:
    """Name, version, run, alias, lineage down to the raw file, metrics with intervals, gates.

    If no login is required and MLOPS_PREDICTOR__METRICS_PORT is set, only that port has `lineage`
    and `source`.
    """
    facts = describe_model(service)
    if service.is_login_required or service.settings.metrics_port is None:
        return facts
    return facts.model_copy(update={"lineage": None, "source": None})


def describe_model(service: Service) -> ModelFacts:
    """Return all facts about the served model.

    Raises:
        Unavailable: If there is none.
    """
    served = service.model()
    comparison = service.shadow.comparison
    training = served.manifest.training
    marker = service.stop_watcher.stop_marker
    return ModelFacts(
        **served.manifest.model_dump(include=FROM_MANIFEST),
        cautions=served.manifest.cautions,
        version=served.version,
        alias=served.alias,
        source=served.source,
        since=served.since,
        threshold=served.threshold,
        learned_from=served.range.learned_from,
        learned_blanks=served.range.learned_blanks,
        importance=served.importance,
        positive_rate=training.positive_rate if training else None,
        precision=training.precision if training else None,
        flagged_below_rate=training.flagged_below_rate if training else None,
        refits=len(served.refits) if served.refits else None,
        min_stability=service.settings.min_stability,
        shadow=comparison.facts() if comparison else None,
        stopped=StopFacts(**marker.model_dump()) if marker else None,
    )


@metrics_router.get(METRICS_PATH, summary="Metrics for Prometheus", response_class=Response)
async def metrics(service: ServiceDependency) -> Response:
    """Metrics in Prometheus's text format."""
    return Response(generate_metrics(service), media_type=METRICS_TYPE)


def generate_metrics(service: Service) -> bytes:
    """Return the metrics of the service as text."""
    return generate_latest(service.registry)
