"""The lake's models/, from which a predictor starts if the registry is unreachable."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from pipeline.model.bundle import ONNX, write_fallback
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import model_file
from pipeline.tracking.registry import MANIFEST_TAG, Version
from serving.http.rows import EXAMPLE
from tests.support.forest import make_bundle
from tests.support.predictor import (
    open_disk_lake,
    run_predictor,
    serve_bundle,
    wait_for,
    wait_until_serves,
)
from tests.support.promotions import write_first_promotion

POLLING = {"poll_interval_seconds": "0.1", "registry_timeout_seconds": "5"}


def test_nothing_to_serve(tmp_path: Path) -> None:
    """Without registry and models/ the process is alive and not ready until models/ exist."""
    with run_predictor(tmp_path, **POLLING) as predictor:
        wait_for(lambda: "does not exist" in predictor.read_log())
        assert httpx.get(f"{predictor.url}/healthz").status_code == 200
        for path in ("/readyz", "/model", "/ping", "/v2/health/ready"):
            answer = httpx.get(predictor.url + path)
            assert answer.status_code == 503
            assert "is unreachable" in answer.json()["detail"]
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        write_fallback(open_disk_lake(tmp_path), make_bundle(version="0"))
        wait_until_serves(predictor, "0")


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A file whose hash differs from the manifest is not served."""
    lake = open_disk_lake(tmp_path)
    write_fallback(lake, make_bundle())
    lake.write(model_file(ONNX), b"another")
    with run_predictor(tmp_path, **POLLING) as predictor:
        wait_for(lambda: "is refused" in predictor.read_log())
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503


def test_a_bundle_that_was_not_promoted_is_refused(tmp_path: Path) -> None:
    """With promotion records, a predictor that starts serves only the bundle that they name."""
    lake, promoted = open_disk_lake(tmp_path), make_bundle()
    tags = {MANIFEST_TAG: sha256_hex(promoted.manifest.to_bytes())}
    write_first_promotion(lake, Version("1", "run-a", tags))
    write_fallback(lake, make_bundle(seed=1))
    with run_predictor(tmp_path, **POLLING) as predictor:
        wait_for(lambda: "but by the promotion records" in predictor.read_log())
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
        write_fallback(lake, promoted)
        wait_until_serves(predictor, "1")
    write_fallback(lake, make_bundle(seed=1))
    with run_predictor(tmp_path, **POLLING, require_record="false") as predictor:
        wait_until_serves(predictor, "1")


def test_only_a_pickle(tmp_path: Path) -> None:
    """If scikit-learn is installed, model.pkl gives the same predictions as model.onnx."""
    lake = open_disk_lake(tmp_path)
    probabilities = []
    with serve_bundle(tmp_path, make_bundle()) as url:
        probabilities.append(httpx.post(f"{url}/predict", json=EXAMPLE).json())
    lake.delete(model_file(ONNX))
    with run_predictor(tmp_path) as predictor:
        wait_until_serves(predictor, "1")
        probabilities.append(httpx.post(f"{predictor.url}/predict", json=EXAMPLE).json())
    onnx, pickled = (answer["predictions"][0]["probability"] for answer in probabilities)
    assert pickled == pytest.approx(onnx, abs=1e-6)


def test_not_ready_while_the_registry_is_unreachable(tmp_path: Path) -> None:
    """An unreachable registry may have a promoted version, so a new pod must not count as ready."""
    with run_predictor(tmp_path, **POLLING, ready_without_model="true") as predictor:
        wait_for(lambda: "is unreachable" in httpx.get(f"{predictor.url}/readyz").text)
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
