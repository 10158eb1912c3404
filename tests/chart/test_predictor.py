"""The predictor's templates."""

from __future__ import annotations

import base64
from typing import Any

from serving.service import FLUSH_TIMEOUT_SECONDS
from serving.settings import Settings
from tests.support.helm import (
    Manifest,
    Values,
    find,
    get_container,
    get_names,
    get_pods_file,
    get_secret_names,
    get_variables,
    render,
)


def get_deployment(values: Values | None = None) -> Any:
    return find(render(values), "Deployment", "predictor")["spec"]


def get_ingress(**values: Any) -> Any:
    ingress = {"enabled": True, "host": "predict.school.org", **values}
    return find(render({"predictor": {"ingress": ingress}}), "Ingress", "predictor")["spec"]


def test_replicas() -> None:
    """With the autoscaler the Deployment has no `replicas`, which every upgrade would reset."""
    assert "replicas" not in get_deployment()
    scaler = find(render(), "HorizontalPodAutoscaler", "predictor")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)
    assert scaler["scaleTargetRef"]["name"] == "student-mlops-predictor"
    fixed = {"predictor": {"autoscaling": {"enabled": False}, "replicas": 3}}
    assert get_deployment(fixed)["replicas"] == 3
    assert get_names(render(fixed), "HorizontalPodAutoscaler") == []


def test_every_container_requests_cpu() -> None:
    """The autoscaler measures CPU relative to the requests, so that every container needs one."""
    for item in get_deployment()["template"]["spec"]["containers"]:
        assert "cpu" in item["resources"]["requests"]


def test_a_rollout_keeps_the_capacity() -> None:
    """A new pod is ready before an old one stops, and an old one has the time to drain."""
    spec = get_deployment()
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    grace_period_seconds = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    predictor = Settings().predictor
    stop_seconds = predictor.shutdown_timeout_seconds + FLUSH_TIMEOUT_SECONDS
    assert grace_period_seconds > predictor.drain_timeout_seconds + stop_seconds


def test_its_temporary_files_fit() -> None:
    """The volume has room for the files of all concurrent lists, so that no pod is evicted."""
    volumes = get_deployment()["template"]["spec"]["volumes"]
    (volume,) = (each for each in volumes if "emptyDir" in each)
    mebibytes = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi"))
    predictor = Settings().predictor
    assert mebibytes * 2**20 > predictor.max_csv_requests * predictor.max_csv_spool_bytes * 1.1


def test_changed_settings_restart_it() -> None:
    """A changed setting restarts the pods, which read it when they start; other values do not."""
    before, same, after = (
        get_deployment(values)["template"]["metadata"]["annotations"]["checksum/config"]
        for values in (
            {},
            {"dags": {"retries": 9}},
            {"settings": {"MLOPS_PREDICTOR__MAX_ROWS": 10}},
        )
    )
    assert before == same != after


def test_its_settings_are_valid() -> None:
    """The predictor's settings accept the environment of its pod."""
    values = {"settings": {"MLOPS_PREDICTOR__MAX_ROWS": 50, "MLOPS_INGEST__MAX_BYTES": 3000000000}}
    manifests = render(values)
    container = get_container(find(manifests, "Deployment", "predictor"))
    environment = find(manifests, "ConfigMap", "settings")["data"] | get_variables(container)
    settings = Settings.load({name: str(value) for name, value in environment.items()})
    assert settings.predictor.host == "0.0.0.0"
    assert (settings.predictor.max_rows, settings.ingest.max_bytes) == (50, 3_000_000_000)
    assert settings.predictor.ready_without_model is True
    assert settings.predictor.port == container["ports"][0]["containerPort"]


def test_stages_reach_every_pod() -> None:
    """The stages' URL is that of a headless Service, which resolves to every ready pod."""
    manifests = render()
    service = find(manifests, "Service", "predictor-pods")["spec"]
    assert service["clusterIP"] == "None"
    assert "publishNotReadyAddresses" not in service
    url = find(manifests, "ConfigMap", "settings")["data"]["MLOPS_PREDICTOR__URL"]
    assert url == f"http://student-mlops-predictor-pods:{service['ports'][0]['port']}"
    labels = find(manifests, "Deployment", "predictor")["spec"]["template"]["metadata"]["labels"]
    for name in ("predictor", "predictor-internal", "predictor-pods"):
        assert find(manifests, "Service", name)["spec"]["selector"] == labels


def list_secrets(manifests: list[Manifest]) -> list[str]:
    """Return the Secrets whose files the predictor reads."""
    spec = find(manifests, "Deployment", "predictor")["spec"]["template"]["spec"]
    return get_secret_names(spec, spec["containers"][0])


def test_who_gets_the_api_key() -> None:
    """The predictor and the stages that call it get the API key; the other stages do not."""
    manifests = render({"predictor": {"existingSecret": "api-key"}})
    assert "api-key" in list_secrets(manifests)
    pods = get_pods_file(manifests)
    assert "api-key" not in {name for own in pods["stages"].values() for name in own["secrets"]}
    assert pods["access"]["predictor"]["secrets"] == ["api-key"]


def test_keys_of_callers() -> None:
    """The keys file is mounted as a folder, which kubelet updates, and only in the predictor."""
    manifests = render({"predictor": {"apiKeys": {"existingSecret": "callers"}}})
    spec = find(manifests, "Deployment", "predictor")["spec"]["template"]["spec"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "keys"]
    assert volume["secret"]["secretName"] == "callers"
    container = get_container(find(manifests, "Deployment", "predictor"))
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "keys"]
    assert "subPath" not in mount
    path = f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
    assert get_variables(container)["MLOPS_PREDICTOR__API_KEYS_FILE"] == path
    assert "callers" not in str([each for each in manifests if each["kind"] == "ConfigMap"])
    assert "MLOPS_PREDICTOR__API_KEYS_FILE" not in get_variables(
        get_container(find(render(), "Deployment", "predictor"))
    )


def test_stages_get_a_key_if_callers_need_one() -> None:
    """With keys of callers only, the chart generates the key that the stages send."""
    manifests = render({"predictor": {"apiKeys": {"existingSecret": "callers"}}})
    secret = find(manifests, "Secret", "predictor-key")
    assert len(base64.b64decode(secret["data"]["MLOPS_PREDICTOR__API_KEY"])) == 64
    name = secret["metadata"]["name"]
    assert get_pods_file(manifests)["access"]["predictor"]["secrets"] == [name]
    assert name in list_secrets(manifests)
    own = {"existingSecret": "api-key", "apiKeys": {"existingSecret": "callers"}}
    for predictor in ({}, own, {"existingSecret": "api-key"}):
        names = get_names(render({"predictor": predictor}), "Secret")
        assert "student-mlops-predictor-key" not in names


def test_only_the_predictor_signs_sessions() -> None:
    """All its pods have one secret, and stages, which have a key, do not have it."""
    for predictor in ({"existingSecret": "api-key"}, {"apiKeys": {"existingSecret": "callers"}}):
        manifests = render({"predictor": predictor})
        secret = find(manifests, "Secret", "predictor-sessions")
        assert len(base64.b64decode(secret["data"]["MLOPS_PREDICTOR__SESSION_SECRET"])) == 64
        assert "student-mlops-predictor-sessions" in list_secrets(manifests)
        shared = [each for each in manifests if each["kind"] == "ConfigMap"]
        assert "predictor-sessions" not in str(shared)
    assert "student-mlops-predictor-sessions" not in get_names(render(), "Secret")


def test_ingress() -> None:
    """The Ingress routes a host to the Service, with TLS if there is a certificate."""
    assert get_names(render(), "Ingress") == []
    ingress = get_ingress(className="nginx", tlsSecretName="certificate")
    (rule,) = ingress["rules"]
    assert rule["host"] == "predict.school.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {
        "name": "student-mlops-predictor",
        "port": {"name": "http"},
    }
    assert ingress["tls"] == [{"hosts": ["predict.school.org"], "secretName": "certificate"}]
    assert "tls" not in get_ingress(tlsTerminatedUpstream=True)


def test_a_drain_removes_one_pod_at_a_time() -> None:
    """The disruption budget lets a drained node take away one pod at a time."""
    budget = find(render(), "PodDisruptionBudget", "predictor")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == get_deployment()["selector"]["matchLabels"]


def test_callers_do_not_reach_the_metrics() -> None:
    """/metrics has a separate port, which only the headless Service has."""
    ingress = {"enabled": True, "host": "predict.school.org", "tlsSecretName": "certificate"}
    manifests = render({"predictor": {"ingress": ingress}})
    port = find(manifests, "ConfigMap", "settings")["data"]["MLOPS_PREDICTOR__METRICS_PORT"]
    ports = {
        name: {item["port"] for item in find(manifests, "Service", name)["spec"]["ports"]}
        for name in ("predictor", "predictor-internal", "predictor-pods")
    }
    callers = {"predictor": {80}, "predictor-internal": {80}}
    assert ports == callers | {"predictor-pods": {8000, int(port)}}
    declared = get_container(find(manifests, "Deployment", "predictor"))["ports"]
    assert {"name": "metrics", "containerPort": int(port)} in declared
    peer = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    policy = find(render({"networkPolicy": {"prometheus": [peer]}}), "NetworkPolicy", "predictor")
    (rule,) = (each for each in policy["spec"]["ingress"] if each["ports"][0]["port"] == int(port))
    assert rule["from"][1:] == [peer]


def test_own_annotations() -> None:
    """`podAnnotations` adds annotations to the pods."""
    values = {"predictor": {"podAnnotations": {"prometheus.io/scrape": "true"}}}
    annotations = get_deployment(values)["template"]["metadata"]["annotations"]
    assert annotations.keys() == {
        "prometheus.io/scrape",
        "checksum/config",
        "checksum/secrets",
    }


def test_disabled() -> None:
    """Without the predictor, no resource of it is left, and the stages get no URL."""
    manifests = render({"predictor": {"enabled": False}})
    names = [item["metadata"]["name"] for item in manifests]
    assert [name for name in names if "predictor" in name] == ["student-mlops-s3-predictor"]
    assert "MLOPS_PREDICTOR__URL" not in find(manifests, "ConfigMap", "settings")["data"]
