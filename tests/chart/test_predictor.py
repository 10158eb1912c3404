"""The predictor's templates."""

from __future__ import annotations

import json
from typing import Any

from serving.service import FLUSH_SECONDS
from serving.settings import Settings
from tests.support.helm import Values, container, find, names, render, variables


def deployment(values: Values | None = None) -> Any:
    return find(render(values), "Deployment", "predictor")["spec"]


def test_the_autoscaler_alone_says_how_many() -> None:
    """With the autoscaler on the Deployment names no number of pods, which every upgrade would reset; without it, it does."""
    assert "replicas" not in deployment()
    scaler = find(render(), "HorizontalPodAutoscaler", "predictor")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)
    assert scaler["scaleTargetRef"]["name"] == "student-mlops-predictor"
    fixed = {"predictor": {"autoscaling": {"enabled": False}, "replicas": 3}}
    assert deployment(fixed)["replicas"] == 3
    assert names(render(fixed), "HorizontalPodAutoscaler") == []


def test_every_container_requests_cpu() -> None:
    """The autoscaler takes shares of the requested CPU, so that every container of the pod must request some."""
    for item in deployment()["template"]["spec"]["containers"]:
        assert "cpu" in item["resources"]["requests"]


def test_a_rollout_takes_no_pod_away_early() -> None:
    """A new pod is ready before an old one stops, and an old one has the time to drain."""
    spec = deployment()
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    grace = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    predictor = Settings().predictor
    stop = predictor.shutdown_timeout_seconds + FLUSH_SECONDS
    assert grace > predictor.drain_timeout_seconds + stop


def test_settings_restart_it() -> None:
    """The predictor reads its settings when it starts, so that a changed one rolls its pods, and only a changed one."""
    before, same, after = (
        deployment(values)["template"]["metadata"]["annotations"]["checksum/config"]
        for values in (
            {},
            {"dags": {"retries": 9}},
            {"settings": {"MLOPS_PREDICTOR__MAX_ROWS": 10}},
        )
    )
    assert before == same != after


def test_its_environment_is_one_the_settings_take() -> None:
    """What the pod is given is settings that exist, with values they accept."""
    manifests = render(
        {"settings": {"MLOPS_PREDICTOR__MAX_ROWS": 50, "MLOPS_INGEST__MAX_BYTES": 3000000000}}
    )
    given = find(manifests, "ConfigMap", "settings")["data"] | variables(
        container(find(manifests, "Deployment", "predictor"))
    )
    settings = Settings.load({name: str(value) for name, value in given.items()})
    assert settings.predictor.host == "0.0.0.0"
    assert (settings.predictor.max_rows, settings.ingest.max_bytes) == (50, 3_000_000_000)
    assert settings.predictor.ready_without_model is True
    port = container(find(manifests, "Deployment", "predictor"))["ports"][0]["containerPort"]
    assert settings.predictor.port == port


def test_stages_resolve_every_pod() -> None:
    """The stages' URL is that of the headless Service, which resolves to each pod that is ready, and those alone."""
    manifests = render()
    service = find(manifests, "Service", "predictor-pods")["spec"]
    assert service["clusterIP"] == "None"
    assert "publishNotReadyAddresses" not in service
    url = find(manifests, "ConfigMap", "settings")["data"]["MLOPS_PREDICTOR__URL"]
    assert url == f"http://student-mlops-predictor-pods:{service['ports'][0]['port']}"
    labels = find(manifests, "Deployment", "predictor")["spec"]["template"]["metadata"]["labels"]
    for name in ("predictor", "predictor-pods"):
        assert find(manifests, "Service", name)["spec"]["selector"] == labels


def test_an_api_key_reaches_those_who_need_it() -> None:
    """The key's Secret is read by the predictor and by the stages, which ask it; no other Secret is new."""
    manifests = render({"predictor": {"existingSecret": "api-key"}})
    assert {"secretRef": {"name": "api-key"}} in container(
        find(manifests, "Deployment", "predictor")
    )["envFrom"]
    pods = json.loads(find(manifests, "ConfigMap", "pods")["data"]["pods.json"])
    assert pods["env_from"]["secrets"] == ["student-mlops-objectstore"]
    assert pods["access"]["predictor"]["secrets"] == ["api-key"]


def test_ingress() -> None:
    """The Ingress leads a host to the Service, with a certificate where one is given; there is none by default."""
    assert names(render(), "Ingress") == []
    given = {
        "enabled": True,
        "host": "predict.school.org",
        "className": "nginx",
        "tlsSecret": "certificate",
    }
    ingress = find(render({"predictor": {"ingress": given}}), "Ingress", "predictor")["spec"]
    (rule,) = ingress["rules"]
    assert rule["host"] == "predict.school.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {
        "name": "student-mlops-predictor",
        "port": {"name": "http"},
    }
    assert ingress["tls"] == [{"hosts": ["predict.school.org"], "secretName": "certificate"}]
    assert (
        "tls"
        not in find(
            render({"predictor": {"ingress": {**given, "tlsSecret": ""}}}), "Ingress", "predictor"
        )["spec"]
    )


def test_drains_of_nodes_leave_pods() -> None:
    """A drain takes one pod at a time."""
    budget = find(render(), "PodDisruptionBudget", "predictor")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == deployment()["selector"]["matchLabels"]


def test_off() -> None:
    """Without the predictor nothing of it is left, and the stages are told of none."""
    manifests = render({"predictor": {"enabled": False}})
    assert [
        item["metadata"]["name"] for item in manifests if "predictor" in item["metadata"]["name"]
    ] == []
    assert "MLOPS_PREDICTOR__URL" not in find(manifests, "ConfigMap", "settings")["data"]
