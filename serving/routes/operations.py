"""What operators and stages ask: health, readiness, metrics, and which model answers. None of it touches another service."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from pydantic import BaseModel

from serving.http.responses import ModelFacts
from serving.metrics import Collector
from serving.routes.predict import problems
from serving.service import Service


class Health(BaseModel):
    status: str


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["operations"])
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(Collector(service))

    @routes.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        """Liveness: always, while the process answers at all."""
        return Health(status="alive")

    @routes.get("/readyz", summary="Can it predict?", responses=problems(503))
    async def readyz() -> Health:
        """Readiness: there is a model, or the settings allow for none being promoted yet."""
        if service.settings.ready_without_model and service.models.none_yet:
            return Health(status="waiting for a first model")
        service.model()
        return Health(status="ready")

    @routes.get(
        "/model",
        summary="Which model answers, what it came from, how good it is",
        responses=problems(503),
    )
    async def model() -> ModelFacts:
        """Name, version, run, alias, lineage hashes down to the raw file, metrics with intervals, gates, since when."""
        served = service.model()
        manifest = served.manifest
        comparison = service.shadow.comparison
        return ModelFacts(
            **manifest.model_dump(
                include={
                    "name",
                    "run_id",
                    "family",
                    "created",
                    "features",
                    "lineage",
                    "metrics",
                    "gates",
                }
            ),
            version=served.version,
            alias=served.alias,
            source=served.source,
            since=served.since,
            threshold=served.threshold,
            shadow=comparison.facts() if comparison else None,
        )

    @routes.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Prometheus's text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
