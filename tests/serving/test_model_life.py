"""Which model answers: following the registry, refusing what is broken, and going on while other services are away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.model.bundle import ONNX, Bundle, write_fallback
from pipeline.settings import LakeSettings
from pipeline.storage.lake import open_lake, sha256_hex
from pipeline.tracking.registry import PRODUCTION, STAGING
from serving.http.requests import EXAMPLE
from serving.model.shadow import ShadowScorer
from serving.model.updater import ModelUpdater
from serving.settings import Settings
from tests.serving.conftest import IN_A_FOLDER, Models, mlflow_server
from tests.serving.forest import bundle
from tests.serving.predictor import Predictor, started, wait_for

QUICK = {
    "MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS": "0.2",
    "MLOPS_PREDICTOR__REGISTRY_TIMEOUT_SECONDS": "2",
}


def served(predictor: Predictor) -> str | None:
    """The version that answers, None while none does."""
    try:
        facts = httpx.get(f"{predictor.url}/model", timeout=10)
    except httpx.TransportError:
        return None
    return str(facts.json()["version"]) if facts.status_code == 200 else None


def wait_until_serves(predictor: Predictor, version: str) -> None:
    wait_for(lambda: served(predictor) == version)


def metric(predictor: Predictor, name: str) -> float:
    """The sum of a metric's samples."""
    lines = httpx.get(f"{predictor.url}/metrics", timeout=10).text.splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.partition("{")[0].partition(" ")[0] == name
    )


def test_follows_production(models: Models, tmp_path: Path) -> None:
    """The version with the alias `production` answers, without a restart, and so does `previous` when it is put back."""
    first = models.register(bundle(), PRODUCTION)
    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_until_serves(predictor, first)
        facts = httpx.get(f"{predictor.url}/model").json()
        assert (facts["name"], facts["alias"], facts["lineage"]["bronze"]) == (
            models.name,
            PRODUCTION,
            "b" * 64,
        )
        second = models.register(bundle(seed=1), PRODUCTION)
        wait_until_serves(predictor, second)
        models.registry.set_alias(PRODUCTION, first)
        wait_until_serves(predictor, first)
        assert metric(predictor, "predictor_model_swaps_total") == 3


def test_follows_a_server_that_proxies_nothing(tmp_path: Path) -> None:
    """A tracking server whose artifacts lie in a folder, as on one machine, is followed the same way."""
    with mlflow_server(tmp_path, IN_A_FOLDER) as url:
        models = Models(url)
        version = models.register(bundle(), PRODUCTION)
        with started(tmp_path, models.settings | QUICK) as predictor:
            wait_until_serves(predictor, version)


def test_header_and_answer_never_disagree(models: Models, tmp_path: Path) -> None:
    """While versions change, no request fails, and every answer's header, body and number are of one version."""
    versions = [models.register(bundle(seed=seed)) for seed in (0, 1)]
    models.registry.set_alias(PRODUCTION, versions[0])
    numbers: dict[str, set[float]] = {}
    done = threading.Event()

    def ask(url: str) -> None:
        with httpx.Client(timeout=30) as client:
            while not done.is_set():
                answer = client.post(f"{url}/predict", json=EXAMPLE)
                assert answer.status_code == 200
                body = answer.json()
                assert answer.headers["x-model-version"] == body["model"]["version"]
                numbers.setdefault(body["model"]["version"], set()).add(
                    body["predictions"][0]["fail_probability"]
                )

    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_until_serves(predictor, versions[0])
        asker = threading.Thread(target=ask, args=(predictor.url,))
        asker.start()
        for version in [versions[1], versions[0]] * 3:
            models.registry.set_alias(PRODUCTION, version)
            wait_until_serves(predictor, version)
        done.set()
        asker.join()
    assert sorted(numbers) == sorted(versions)
    assert all(len(found) == 1 for found in numbers.values())
    assert numbers[versions[0]] != numbers[versions[1]]


def broken_bytes() -> Bundle:
    good = bundle()
    return Bundle(good.manifest, good.files | {ONNX: good.files[ONNX] + b"x"})


def broken_graph() -> Bundle:
    good = bundle()
    files = good.files | {ONNX: b"no graph"}
    return Bundle(
        good.manifest.model_copy(
            update={"files": {name: sha256_hex(data) for name, data in files.items()}}
        ),
        files,
    )


def wrong_answers() -> Bundle:
    good, other = bundle(), bundle(seed=1)
    return Bundle(good.manifest.model_copy(update={"files": other.manifest.files}), other.files)


BROKEN: list[tuple[Callable[[], Bundle], dict[str, Any], str]] = [
    (broken_bytes, {}, "its manifest records"),
    (broken_graph, {}, "cannot be loaded"),
    (wrong_answers, {}, "stored examples"),
    (bundle, {"tag": "0" * 64}, "its tag manifest_sha256 says"),
    (bundle, {"features": ["age"]}, "expects the features"),
    (bundle, {"version": "77"}, "the manifest is that of version 77"),
    (bundle, {"run_id": "another"}, "run another"),
]


def refusal_of(predictor: Predictor, version: str) -> str | None:
    """What the predictor's log says of a version that it refused."""
    return next(
        (line for line in predictor.text().splitlines() if f"refused version {version} " in line),
        None,
    )


def test_refuses_broken_versions(models: Models, tmp_path: Path) -> None:
    """A version whose hashes, graph, answers or manifest are wrong is refused and counted, and the one before goes on."""
    good = models.register(bundle(), PRODUCTION)
    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_until_serves(predictor, good)
        for make, facts, said in BROKEN:
            bad = models.register(make(), PRODUCTION, **facts)
            assert said in wait_for(partial(refusal_of, predictor, bad))
            assert served(predictor) == good
        assert metric(predictor, "predictor_model_refused_total") >= len(BROKEN)
        newer = models.register(bundle(seed=1), PRODUCTION)
        wait_until_serves(predictor, newer)


def test_shadow_scores_the_same_traffic(models: Models, tmp_path: Path) -> None:
    """The staging version scores what production answers: agreement is counted, and it takes over from memory when promoted."""
    production = models.register(bundle(), PRODUCTION)
    staging = models.register(bundle(seed=1), STAGING)
    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_until_serves(predictor, production)
        wait_for(lambda: httpx.get(f"{predictor.url}/model").json()["shadow"])
        httpx.post(f"{predictor.url}/predict", json=[EXAMPLE] * 10)
        shadow = wait_for(
            lambda: next(
                (s for s in [httpx.get(f"{predictor.url}/model").json()["shadow"]] if s["rows"]),
                None,
            )
        )
        assert (shadow["version"], shadow["rows"]) == (staging, 10)
        assert 0 <= shadow["agreement"] <= 1
        assert shadow["latency_ratio"] > 0
        assert metric(predictor, "predictor_shadow_rows_total") == 10
        assert (
            httpx.post(f"{predictor.url}/predict", json=EXAMPLE).headers["x-model-version"]
            == production
        )
        models.registry.set_alias(PRODUCTION, staging)
        wait_until_serves(predictor, staging)
        wait_for(lambda: httpx.get(f"{predictor.url}/model").json()["shadow"] is None)


def test_starts_from_the_lake_and_then_follows(models: Models, tmp_path: Path) -> None:
    """Without a registry the lake's models/ answer; a registry that comes, or comes back, is followed."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))
    write_fallback(lake, bundle(version="0"))
    with started(tmp_path, QUICK) as predictor:
        wait_until_serves(predictor, "0")
        assert httpx.get(f"{predictor.url}/model").json()["alias"] is None
        assert metric(predictor, "predictor_registry_contact_timestamp_seconds") == 0
        assert "is unreachable" in predictor.text()
    version = models.register(bundle(seed=1), PRODUCTION)
    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_until_serves(predictor, version)


def test_a_registry_that_comes_back_with_the_same_version(models: Models, tmp_path: Path) -> None:
    """The version that the lake's models/ held goes on being served, without a swap; only now it is known to be production."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))
    models.register(bundle(), PRODUCTION)
    version = models.registry.get_by_alias(PRODUCTION)
    assert version is not None
    write_fallback(lake, models.registry.get_bundle(version.run_id))
    settings = Settings.model_validate({"mlflow": models.registry.settings.model_dump()})
    follower = ModelUpdater(settings, lambda: lake, ShadowScorer())
    registry, follower.registry = follower.registry, None  # away
    follower.poll()
    served = follower.models.served
    assert served is not None
    known_as = served.alias
    assert known_as is None
    follower.registry = registry
    follower.poll()
    assert follower.models.served is served
    assert (served.alias, follower.models.swaps) == (PRODUCTION, 0)


def test_alive_but_not_ready_with_nothing_to_serve(tmp_path: Path) -> None:
    """With neither registry nor models/ the process lives, is not ready, and says why; when models/ come, it serves them."""
    with started(tmp_path, QUICK) as predictor:
        wait_for(lambda: "does not exist" in predictor.text())
        assert httpx.get(f"{predictor.url}/healthz").status_code == 200
        for path, ask in {
            "/readyz": httpx.get,
            "/model": httpx.get,
            "/ping": httpx.get,
            "/v2/health/ready": httpx.get,
        }.items():
            answer = ask(predictor.url + path)
            assert answer.status_code == 503
            assert "is unreachable" in answer.json()["detail"]
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
        assert (answer.status_code, answer.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        write_fallback(open_lake(LakeSettings(url=f"file://{tmp_path}/lake")), bundle(version="0"))
        wait_until_serves(predictor, "0")


def test_waits_for_a_promotion(models: Models, tmp_path: Path) -> None:
    """While the registry says that nothing is promoted, the lake's last registered model is not served in its place."""
    write_fallback(open_lake(LakeSettings(url=f"file://{tmp_path}/lake")), bundle(version="0"))
    staged = models.register(bundle(), STAGING)
    with started(tmp_path, models.settings | QUICK) as predictor:
        wait_for(lambda: "has the alias production yet" in predictor.text())
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503
        models.registry.set_alias(PRODUCTION, staged)
        wait_until_serves(predictor, staged)


def test_fallback_of_another_hash_is_refused(tmp_path: Path) -> None:
    """A file in models/ whose hash is not the manifest's is not served."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))
    write_fallback(lake, bundle())
    lake.write(f"models/{ONNX}", b"another")
    with started(tmp_path, QUICK) as predictor:
        wait_for(lambda: "it is refused" in predictor.text())
        assert httpx.get(f"{predictor.url}/readyz").status_code == 503


def test_only_a_pickle(tmp_path: Path) -> None:
    """A models/ folder that holds only model.pkl serves the same answers as the one with ONNX, where scikit-learn is there."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))
    write_fallback(lake, bundle(version="0"))
    with started(tmp_path, QUICK) as predictor:
        wait_until_serves(predictor, "0")
        expected = httpx.post(f"{predictor.url}/predict", json=EXAMPLE).json()
    lake.delete(f"models/{ONNX}")
    with started(tmp_path, QUICK) as predictor:
        wait_until_serves(predictor, "0")
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE).json()
    assert answer["predictions"][0]["fail_probability"] == pytest.approx(
        expected["predictions"][0]["fail_probability"], abs=1e-6
    )
