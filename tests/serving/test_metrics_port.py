"""/metrics and /model on a separate port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.commands.local_servers import find_free_port
from pipeline.deployment.predictor_client import find_replicas
from pipeline.settings import Settings
from tests.support.predictor import ThreadedPredictor, run_predictor, wait_until_ready


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ThreadedPredictor, int]]:
    """A predictor without a model, and the port of its metrics."""
    port = find_free_port()
    with run_predictor(tmp_path_factory.mktemp("metrics"), metrics_port=str(port)) as predictor:
        yield predictor, port


def test_only_their_port_has_the_metrics(ports: tuple[ThreadedPredictor, int]) -> None:
    """The port of the callers has no metrics, and that of the metrics nothing else."""
    predictor, port = ports
    assert httpx.get(f"{predictor.url}/metrics").status_code == 404
    assert "/metrics" not in httpx.get(f"{predictor.url}/openapi.json").json()["paths"]
    url = f"http://127.0.0.1:{port}"
    metrics = httpx.get(f"{url}/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "predictor_ready 0.0" in metrics.text
    assert "server" not in metrics.headers
    assert "Uvicorn running" in predictor.read_log()
    head = httpx.head(f"{url}/metrics")
    assert (head.status_code, head.content) == (200, b"")
    for path in ("/", "/healthz", "/docs", "/columns"):
        assert httpx.get(url + path).status_code == 404
    assert httpx.post(f"{url}/metrics").status_code == 404


@pytest.mark.parametrize(
    ("settings", "has_lineage"), [({}, False), ({"api_key": "of the stages"}, True)]
)
def test_who_sees_the_lineage(folder: Path, settings: dict[str, str], has_lineage: bool) -> None:
    """Everybody who can reach the port, and callers of the other port who had to log in."""
    port = find_free_port()
    key = {"X-API-Key": "of the stages"}
    with run_predictor(folder, metrics_port=str(port), **settings) as predictor:
        wait_until_ready(predictor)
        public = httpx.get(f"{predictor.url}/model", headers=key).json()
        response = httpx.get(f"http://127.0.0.1:{port}/model")
        assert response.headers["content-type"] == "application/json"
        private = response.json()
    assert private["lineage"]["bronze"]
    assert private["source"]
    hidden = set() if has_lineage else {"lineage", "source"}
    assert private.keys() - public.keys() == hidden
    assert public == {name: private[name] for name in private if name not in hidden}


def test_it_has_no_model_yet(ports: tuple[ThreadedPredictor, int]) -> None:
    """The reason is that of the other port."""
    _, port = ports
    response = httpx.get(f"http://127.0.0.1:{port}/model")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert "MLflow" in response.json()["detail"]


def test_stages_read_them_there(ports: tuple[ThreadedPredictor, int]) -> None:
    """`verify` and `stop` read the metrics of each replica on the port in the settings."""
    predictor, port = ports
    address = {"url": predictor.url, "metrics_port": port}
    (replica,) = find_replicas(Settings.model_validate({"predictor": address}))
    assert replica.count_errors() == 0


def test_the_port_is_closed_at_the_end(tmp_path: Path) -> None:
    """It is free as soon as the predictor has stopped."""
    port = find_free_port()
    for _ in range(2):
        with run_predictor(tmp_path, metrics_port=str(port)):
            assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
