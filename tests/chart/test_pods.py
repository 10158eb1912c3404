"""What holds for every pod of every scenario."""

from __future__ import annotations

import pytest

from dags.pod_spec import build_pod
from pipeline.stages import STAGES, get_identities
from tests.support.chart_scenarios import MLFLOW_USERS, SCENARIOS
from tests.support.helm import (
    Manifest,
    get_by_hand_pod,
    get_containers,
    get_names,
    get_pod_specs,
    get_pods_file,
    get_secret_sources,
    render,
)


@pytest.fixture(params=SCENARIOS)
def pods(request: pytest.FixtureRequest, helm: str) -> dict[str, Manifest]:
    """The spec of every pod of a scenario, by the name of what creates it."""
    values, file = SCENARIOS[request.param]
    return dict(get_pod_specs(render(values, file=file)))


def test_passes_the_restricted_standard(pods: dict[str, Manifest]) -> None:
    """Every pod passes the `restricted` pod security standard and has a read-only root."""
    for name, spec in pods.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert int(spec["securityContext"]["runAsUser"]) > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {
            "emptyDir",
            "configMap",
            "secret",
            "projected",
            "persistentVolumeClaim",
        }, name
        for item in get_containers(spec):
            assert item["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }, (name, item["name"])
            assert not any("hostPort" in port for port in item.get("ports", [])), name


def test_has_requests_and_a_memory_limit(pods: dict[str, Manifest]) -> None:
    """Every container requests CPU and memory and has a memory limit, init containers included."""
    for name, spec in pods.items():
        for item in get_containers(spec):
            assert item["resources"]["requests"].keys() >= {"cpu", "memory"}, (name, item["name"])
            assert "memory" in item["resources"]["limits"], (name, item["name"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_variable_is_set_twice(scenario: str) -> None:
    """No container has two variables of one name: kustomize and server-side apply refuse that."""
    values, file = SCENARIOS[scenario]
    manifests = render(values, file=file)
    specs = [*(spec for _, spec in get_pod_specs(manifests)), get_by_hand_pod(manifests)["spec"]]
    for item in (item for spec in specs for item in get_containers(spec)):
        names = [variable["name"] for variable in item.get("env", [])]
        assert len(names) == len(set(names)), (item["name"], sorted(names))


def test_has_no_variables_of_services(pods: dict[str, Manifest]) -> None:
    """Kubernetes adds no variables of Services, which Airflow and MLflow would read as settings."""
    for name, spec in pods.items():
        assert spec["enableServiceLinks"] is False, name


def test_only_the_scheduler_has_a_token(pods: dict[str, Manifest]) -> None:
    """Only Airflow's scheduler, which starts the stages' pods, can use the Kubernetes API."""
    for name, spec in pods.items():
        is_scheduler = spec["containers"][0]["name"] == "scheduler"
        assert spec["automountServiceAccountToken"] is is_scheduler, name
        assert spec["serviceAccountName"].endswith("-airflow-scheduler") is is_scheduler, name


def test_mounts_every_volume(pods: dict[str, Manifest]) -> None:
    """Every mount names a volume of the pod, and every volume is mounted."""
    for name, spec in pods.items():
        mounted = {mount["name"] for item in get_containers(spec) for mount in item["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}, name


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_variable_has_a_secret(scenario: str) -> None:
    """Containers read Secrets from files that only the group of their pod can read."""
    values, file = SCENARIOS[scenario]
    manifests = render(values, file=file)
    pods = dict(get_pod_specs(manifests))
    for name in ("pod", "erasure"):
        pods[f"by hand, {name}"] = get_by_hand_pod(manifests, name)["spec"]
    if "student-mlops-pods" in get_names(manifests, "ConfigMap"):
        config = get_pods_file(manifests)
        pods |= {stage.name: build_pod(stage, [], config)["spec"] for stage in STAGES}
    for name, spec in pods.items():
        for item in get_containers(spec):
            for source in (*item.get("env", []), *item.get("envFrom", [])):
                assert "secret" not in str(source.get("valueFrom", "")), (name, source)
                assert "secretRef" not in source, (name, source)
            for secret in get_secret_sources(spec, item):
                assert secret["name"], (name, item["name"])
        for volume in spec["volumes"]:
            if volume["name"].endswith("secrets"):
                assert volume["projected"]["defaultMode"] == 0o440, name
                assert spec["securityContext"]["fsGroup"], name


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_services_have_all_probes(scenario: str) -> None:
    """Every service has a startup, a readiness and a liveness probe, and none asks another host."""
    values, file = SCENARIOS[scenario]
    workloads = [
        item for item in render(values, file=file) if item["kind"] in ("Deployment", "StatefulSet")
    ]
    assert workloads
    for item in workloads:
        for container in item["spec"]["template"]["spec"]["containers"]:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert probe in container, (container["name"], probe)
                check = container[probe].get("httpGet") or container[probe].get("tcpSocket") or {}
                assert "host" not in check


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_uses_only_resources_of_the_release(scenario: str) -> None:
    """Everything that a pod refers to is part of the release or named in the values."""
    values, file = SCENARIOS[scenario]
    manifests = render(values, file=file)
    created = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    created |= {("Secret", name) for name in get_names(manifests, "Certificate")}
    used = set()
    for _, spec in get_pod_specs(manifests):
        used.add(("ServiceAccount", spec["serviceAccountName"]))
        for volume in spec["volumes"]:
            if "configMap" in volume:
                used.add(("ConfigMap", volume["configMap"]["name"]))
            if "secret" in volume:
                used.add(("Secret", volume["secret"]["secretName"]))
            for source in volume.get("projected", {}).get("sources", []):
                used.add(("Secret", source["secret"]["name"]))
            if "persistentVolumeClaim" in volume:
                used.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for item in get_containers(spec):
            for source in item.get("envFrom", []):
                used.add(("ConfigMap", source["configMapRef"]["name"]))
    existing = {
        *("store-keys", "database-passwords", "airflow-secrets", "my-claim", "key"),
        *("api-key", "callers", "sessions", "forms", "certificate", "database-certificate"),
        *("client", "cookies"),
        *(f"login-of-{name}" for name in MLFLOW_USERS),
        *(f"keys-of-{name}" for name in get_identities()),
    }
    assert {(kind, name) for kind, name in used - created if name not in existing} == set()
