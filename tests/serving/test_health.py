"""The health routes need no login. Where predictions need one, they report only a state."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from pipeline.model.bundle import write_fallback
from pipeline.storage.layout import STOP_MARKER
from pipeline.tracking.stop_marker import Stop
from serving.http.problems import Unavailable
from serving.permissions import HEALTH, ROUTES, Access
from serving.service import Service
from serving.settings import PredictorSettings, Settings
from tests.support.forest import make_bundle
from tests.support.predictor import open_disk_lake, run_predictor, wait_for, wait_until_ready

STOP = Stop(by="Ada", at="2026-11-26T18:00:00+00:00", reason="the threshold is wrong")
KEY = {"X-API-Key": "secret"}
NOT_READY, STOPPED = "The predictor is not ready", "All answers are stopped"
NO_LOGIN = [path for path, access in ROUTES.items() if access is Access.OPEN]
LOGINS = [
    {"api_key": "secret"},
    {"api_key": "secret", "oidc__issuer": "http://127.0.0.1:9/realms/school"},
]


def get_details(url: str, paths: list[str]) -> dict[str, str]:
    """Return the detail of each path that responds with 503."""
    responses = {path: httpx.get(url + path, timeout=30) for path in paths}
    return {
        path: response.json()["detail"]
        for path, response in responses.items()
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    }


def find_text(url: str, *texts: str) -> set[str]:
    """Return the routes without a login whose response has one of these texts."""
    responses = {path: httpx.get(url + path, timeout=30).text for path in NO_LOGIN}
    return {path for path, shown in responses.items() if any(text in shown for text in texts)}


def test_all_health_routes_need_no_login() -> None:
    """The rule applies to routes that nobody logs into."""
    assert set(NO_LOGIN) > HEALTH


@pytest.mark.parametrize("login", LOGINS, ids=["key", "issuer"])
def test_without_a_model(tmp_path: Path, login: dict[str, str]) -> None:
    """Nobody learns why there is none, except from `/model` with a login."""
    with run_predictor(tmp_path, poll_interval_seconds="0.1", **login) as predictor:
        wait_for(lambda: "is unreachable" in predictor.read_log())
        not_ready = ["/readyz", "/ping", "/health", "/v2/health/ready"]
        assert get_details(predictor.url, sorted(HEALTH)) == dict.fromkeys(
            sorted(not_ready), NOT_READY
        )
        assert httpx.get(f"{predictor.url}/v2/health/ready").json()["error"] == NOT_READY
        assert find_text(predictor.url, "unreachable", "is not loaded", "models/") == set()
        model = httpx.get(f"{predictor.url}/model", headers=KEY)
        assert "is unreachable" in model.json()["detail"]


def test_while_the_marker_of_a_stop_cannot_be_read(tmp_path: Path) -> None:
    """Nobody learns what is wrong with the object store."""
    open_disk_lake(tmp_path).write(STOP_MARKER, b"{")
    with run_predictor(tmp_path, **LOGINS[0]) as predictor:
        wait_for(lambda: "the marker of a stop cannot be read" in predictor.read_log())
        assert get_details(predictor.url, ["/readyz"]) == {"/readyz": NOT_READY}
        assert find_text(predictor.url, STOP_MARKER, "not a valid marker") == set()


@pytest.mark.parametrize("login", [{}, *LOGINS], ids=["open", "key", "issuer"])
def test_while_answers_are_stopped(tmp_path: Path, login: dict[str, str]) -> None:
    """Who stopped them and why is shown to callers who may read about the model."""
    lake = open_disk_lake(tmp_path)
    write_fallback(lake, make_bundle())
    lake.write_model(STOP_MARKER, STOP)
    with run_predictor(tmp_path, **login) as predictor:
        wait_until_ready(predictor)
        assert httpx.get(f"{predictor.url}/readyz").json() == {"status": "stopped"}
        stopped = ["/health", "/ping", "/v2/health/ready"]
        details = get_details(predictor.url, sorted(HEALTH))
        assert list(details) == stopped
        if login:
            assert set(details.values()) == {STOPPED}
            assert find_text(predictor.url, "Ada", STOP.reason) == set()
        else:
            assert find_text(predictor.url, "Ada", STOP.reason) == set(stopped)
        response = httpx.get(f"{predictor.url}/ping")
        assert response.headers["retry-after"] == "30"
        model = httpx.get(f"{predictor.url}/model", headers=KEY)
        assert model.json()["stopped"] == STOP.model_dump()


@pytest.mark.parametrize("path", sorted(HEALTH))
def test_a_refusal_before_the_route(path: str) -> None:
    """The middleware has no details either, such as the limit on concurrent requests."""
    problem = Unavailable("512 requests are running already; try again")
    closed = Settings(predictor=PredictorSettings(api_key=SecretStr("secret")))
    details = [
        json.loads(Service(settings).describe(problem, path))["detail"]
        for settings in (Settings(), closed)
    ]
    assert details == [str(problem), NOT_READY]
