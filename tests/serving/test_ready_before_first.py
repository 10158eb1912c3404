"""Readiness on a platform where nothing was promoted yet."""

from __future__ import annotations

from pathlib import Path

import httpx

from pipeline.tracking.registry import PRODUCTION
from serving.http.requests import EXAMPLE
from tests.serving.conftest import Models
from tests.serving.forest import bundle
from tests.serving.predictor import Predictor, started, wait_for

QUICK = {
    "MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS": "0.2",
    "MLOPS_PREDICTOR__REGISTRY_TIMEOUT_SECONDS": "2",
}
FIRST = QUICK | {"MLOPS_PREDICTOR__READY_WITHOUT_MODEL": "true"}


def readiness(predictor: Predictor) -> httpx.Response | None:
    """What /readyz answers, None while nobody answers."""
    try:
        return httpx.get(f"{predictor.url}/readyz", timeout=10)
    except httpx.TransportError:
        return None


def test_ready_while_the_registry_has_none(models: Models, tmp_path: Path) -> None:
    """Where the settings say so, an empty registry's word is enough to be ready; predictions say that there is no model."""
    with started(tmp_path, models.settings | FIRST) as predictor:
        wait_for(lambda: (answer := readiness(predictor)) is not None and answer.status_code == 200)
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
        assert answer.status_code == 503
        assert "has the alias production yet" in answer.text
        models.register(bundle(), PRODUCTION)
        wait_for(lambda: httpx.post(f"{predictor.url}/predict", json=EXAMPLE).status_code == 200)


def test_not_ready_by_default(models: Models, tmp_path: Path) -> None:
    """Otherwise a process without a model is alive and not ready, whatever the registry says."""
    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_for(
            lambda: (
                (answer := readiness(predictor)) is not None
                and "has the alias production yet" in answer.text
            )
        )
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
        assert httpx.get(f"{predictor.url}/healthz").status_code == 200


def test_not_ready_while_the_registry_is_away(tmp_path: Path) -> None:
    """A registry that does not answer has not said that there is none: a new pod must not take an old one's place."""
    with started(tmp_path, FIRST) as predictor:
        wait_for(
            lambda: (
                (answer := readiness(predictor)) is not None
                and "was not polled" not in answer.text
            )
        )
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
