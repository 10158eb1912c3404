"""Following the registry: new versions are served, broken ones refused, and the shadow scored.

All tests that need an MLflow server are in this file, so that only one worker starts one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from pipeline.model.bundle import ONNX, Bundle, write_fallback
from pipeline.model.stability import MIN_REFITS
from pipeline.storage.lake import sha256_hex
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING
from serving.http.rows import EXAMPLE
from serving.model.shadow import ShadowScorer
from serving.model.updater import ModelUpdater
from serving.settings import Settings
from tests.support.forest import make_bundle
from tests.support.mlflow_server import RegisteredModel
from tests.support.predictor import (
    Predictor,
    get_metric,
    open_disk_lake,
    run_predictor,
    wait_for,
    wait_until_serves,
)
from tests.support.promotions import write_first_promotion

NOTHING_PROMOTED = "has the alias production yet"
POLLING = {"poll_interval_seconds": "0.1", "registry_timeout_seconds": "5"}


def get_model(predictor: Predictor) -> Any:
    return httpx.get(f"{predictor.url}/model", timeout=30).json()


def test_follows_production(registered: RegisteredModel, tmp_path: Path) -> None:
    """The version with the alias `production` is served, without a restart and back again."""
    first = registered.register(make_bundle(), PRODUCTION)
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_until_serves(predictor, first)
        facts = get_model(predictor)
        assert (facts["name"], facts["alias"]) == (registered.name, PRODUCTION)
        assert facts["lineage"]["bronze"] == "b" * 64
        assert facts["refits"] == MIN_REFITS
        second = registered.register(make_bundle(seed=1), PRODUCTION)
        wait_until_serves(predictor, second)
        registered.registry.set_alias(PRODUCTION, first)
        wait_until_serves(predictor, first)
        assert get_metric(predictor, "predictor_model_swaps_total") == 3


def test_follows_a_registry_with_artifacts_in_a_folder(mlflow_url: str, tmp_path: Path) -> None:
    """Artifacts that the server does not proxy, as on one machine, are downloaded as well."""
    registered = RegisteredModel(mlflow_url, tmp_path / "artifacts")
    version = registered.register(make_bundle(), PRODUCTION)
    assert list((tmp_path / "artifacts").rglob(ONNX))
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_until_serves(predictor, version)


def test_header_and_body_belong_to_one_version(registered: RegisteredModel, tmp_path: Path) -> None:
    """While versions change no request fails, and header, body and number are of one version."""
    versions = [registered.register(make_bundle(seed=seed)) for seed in (0, 1)]
    registered.registry.set_alias(PRODUCTION, versions[0])
    numbers: dict[str, set[float]] = {}
    done = threading.Event()

    def predict(url: str) -> None:
        with httpx.Client(timeout=30) as client:
            while not done.is_set():
                answer = client.post(f"{url}/predict", json=EXAMPLE)
                assert answer.status_code == 200
                body = answer.json()
                assert answer.headers["x-model-version"] == body["model"]["version"]
                numbers.setdefault(body["model"]["version"], set()).add(
                    body["predictions"][0]["probability"]
                )

    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_until_serves(predictor, versions[0])
        thread = threading.Thread(target=predict, args=(predictor.url,))
        thread.start()
        for version in [versions[1], versions[0]] * 3:
            registered.registry.set_alias(PRODUCTION, version)
            wait_until_serves(predictor, version)
        done.set()
        thread.join()
    assert sorted(numbers) == sorted(versions)
    assert all(len(found) == 1 for found in numbers.values())
    assert numbers[versions[0]] != numbers[versions[1]]


def make_changed_file() -> Bundle:
    good = make_bundle()
    return Bundle(good.manifest, good.files | {ONNX: good.files[ONNX] + b"x"})


def make_broken_graph() -> Bundle:
    good = make_bundle()
    files = good.files | {ONNX: b"no graph"}
    hashes = {name: sha256_hex(data) for name, data in files.items()}
    return Bundle(good.manifest.model_copy(update={"files": hashes}), files)


def make_wrong_predictions() -> Bundle:
    good, other = make_bundle(), make_bundle(seed=1)
    return Bundle(good.manifest.model_copy(update={"files": other.manifest.files}), other.files)


def make_broken_refits() -> Bundle:
    good = make_bundle()
    assert good.manifest.refits is not None
    fewer = good.manifest.refits.model_copy(update={"thresholds": [0.5]})
    return Bundle(good.manifest.model_copy(update={"refits": fewer}), good.files)


BROKEN: list[tuple[Callable[[], Bundle], dict[str, Any], str]] = [
    (make_changed_file, {}, "its manifest"),
    (make_broken_graph, {}, "cannot be loaded"),
    (make_wrong_predictions, {}, "stored examples"),
    (make_broken_refits, {}, "the graph of the refits returns the shape"),
    (make_bundle, {"tag": "0" * 64}, "its tag manifest_sha256 says"),
    (make_bundle, {"features": ["age"]}, "expects the features"),
    (make_bundle, {"columns": "0" * 64}, "was trained with another columns file"),
    (make_bundle, {"version": "77"}, "the manifest is that of version 77"),
    (make_bundle, {"run_id": "another"}, "run another"),
]


def find_refusal(predictor: Predictor, version: str) -> str | None:
    """The line of the predictor's log about a refused version."""
    lines = predictor.read_log().splitlines()
    return next((line for line in lines if f"refused version {version} " in line), None)


def test_refuses_broken_versions(registered: RegisteredModel, tmp_path: Path) -> None:
    """A version with a wrong hash, graph, prediction or manifest is refused and counted."""
    good = registered.register(make_bundle(), PRODUCTION)
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_until_serves(predictor, good)
        for make, changes, message in BROKEN:
            bad = registered.register(make(), PRODUCTION, **changes)
            assert message in wait_for(partial(find_refusal, predictor, bad))
            assert get_model(predictor)["version"] == good
        assert get_metric(predictor, "predictor_model_refused_total") >= len(BROKEN)
        newer = registered.register(make_bundle(seed=1), PRODUCTION)
        wait_until_serves(predictor, newer)


def test_refuses_a_move_without_a_record(registered: RegisteredModel, tmp_path: Path) -> None:
    """A version that somebody gave the alias in MLflow is not served, not even after a restart."""
    lake = open_disk_lake(tmp_path)
    environment = registered.environment | {"MLOPS_PREDICTOR__REQUIRE_RECORD": "true"}
    promoted = registered.register(make_bundle(), PRODUCTION)
    version = registered.registry.get_version(promoted)
    write_first_promotion(lake, version)
    write_fallback(lake, registered.registry.get_version_bundle(version))
    with run_predictor(tmp_path, environment, **POLLING) as predictor:
        wait_until_serves(predictor, promoted)
        unknown = registered.register(make_bundle(seed=1), PRODUCTION)
        assert "without a promotion record" in wait_for(partial(find_refusal, predictor, unknown))
        assert get_model(predictor)["version"] == promoted
    with run_predictor(tmp_path, environment, **POLLING) as predictor:
        wait_until_serves(predictor, promoted)
        assert get_model(predictor)["alias"] is None  # from the lake's models/


def test_refuses_another_model_under_a_recorded_number(
    registered: RegisteredModel, tmp_path: Path
) -> None:
    """The record names the manifest's hash, so a changed tag does not pass."""
    lake = open_disk_lake(tmp_path)
    environment = registered.environment | {"MLOPS_PREDICTOR__REQUIRE_RECORD": "true"}
    version = registered.register(make_bundle(), PRODUCTION)
    write_first_promotion(lake, registered.registry.get_version(version))
    registered.registry.set_tag(version, MANIFEST_TAG, "0" * 64)
    with run_predictor(tmp_path, environment, **POLLING) as predictor:
        assert "without a promotion record" in wait_for(partial(find_refusal, predictor, version))


def test_shadow_scores_the_same_traffic(registered: RegisteredModel, tmp_path: Path) -> None:
    """The staging version scores the traffic of production; if promoted it takes over."""
    production = registered.register(make_bundle(), PRODUCTION)
    staging = registered.register(make_bundle(seed=1), STAGING)
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_until_serves(predictor, production)
        wait_for(lambda: get_model(predictor)["shadow"])
        httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 10)
        wait_for(lambda: get_model(predictor)["shadow"]["rows"])
        shadow = get_model(predictor)["shadow"]
        assert (shadow["version"], shadow["rows"]) == (staging, 10)
        assert 0 <= shadow["agreement"] <= 1
        assert shadow["latency_ratio"] > 0
        assert get_metric(predictor, "predictor_shadow_rows_total") == 10
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
        assert answer.headers["x-model-version"] == production
        registered.registry.set_alias(PRODUCTION, staging)
        wait_until_serves(predictor, staging)
        wait_for(lambda: get_model(predictor)["shadow"] is None)


def test_a_registry_that_returns_with_the_same_version(
    registered: RegisteredModel, tmp_path: Path
) -> None:
    """The model from the lake stays in service without a swap, and now has its alias."""
    lake = open_disk_lake(tmp_path)
    registered.register(make_bundle(), PRODUCTION)
    version = registered.registry.get_by_alias(PRODUCTION)
    assert version is not None
    write_fallback(lake, registered.registry.get_bundle(version.run_id))
    settings = Settings.load(registered.environment)
    updater = ModelUpdater(settings, lambda: lake, ShadowScorer())
    registry, updater.registry = updater.registry, None  # unreachable
    updater.poll()
    served = updater.models.served
    assert served is not None
    alias_before = served.alias
    updater.registry = registry
    updater.poll()
    assert updater.models.served is served
    assert (alias_before, served.alias, updater.models.swaps) == (None, PRODUCTION, 0)


def test_starts_from_the_lake_and_then_follows(registered: RegisteredModel, tmp_path: Path) -> None:
    """Without a registry the model in the lake is served; a reachable registry is followed."""
    write_fallback(open_disk_lake(tmp_path), make_bundle(version="0"))
    with run_predictor(tmp_path, **POLLING) as predictor:
        wait_until_serves(predictor, "0")
        assert httpx.get(f"{predictor.url}/model").json()["alias"] is None
        assert get_metric(predictor, "predictor_registry_contact_timestamp_seconds") == 0
        assert "is unreachable" in predictor.read_log()
    version = registered.register(make_bundle(seed=1), PRODUCTION)
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_until_serves(predictor, version)


def test_waits_for_a_promotion(registered: RegisteredModel, tmp_path: Path) -> None:
    """While the registry reports that nothing is promoted, the lake's model is not served."""
    write_fallback(open_disk_lake(tmp_path), make_bundle(version="0"))
    staged = registered.register(make_bundle(), STAGING)
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_for(lambda: NOTHING_PROMOTED in predictor.read_log())
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
        registered.registry.set_alias(PRODUCTION, staged)
        wait_until_serves(predictor, staged)


def test_ready_while_nothing_is_promoted(registered: RegisteredModel, tmp_path: Path) -> None:
    """With ready_without_model an empty registry is enough; predictions get 503."""
    with run_predictor(
        tmp_path, registered.environment, **POLLING, ready_without_model="true"
    ) as predictor:
        wait_for(lambda: httpx.get(f"{predictor.url}/readyz").status_code == 200)
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
        assert answer.status_code == 503
        assert NOTHING_PROMOTED in answer.text
        registered.register(make_bundle(), PRODUCTION)
        wait_for(lambda: httpx.post(f"{predictor.url}/predict", json=EXAMPLE).status_code == 200)


def test_not_ready_by_default(registered: RegisteredModel, tmp_path: Path) -> None:
    """Otherwise a predictor without a model is alive and not ready."""
    with run_predictor(tmp_path, registered.environment, **POLLING) as predictor:
        wait_for(lambda: NOTHING_PROMOTED in httpx.get(f"{predictor.url}/readyz").text)
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
        assert httpx.get(f"{predictor.url}/healthz").status_code == 200
