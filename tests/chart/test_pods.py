"""What holds for every pod of every scenario."""

from __future__ import annotations

import pytest

from tests.support.chart_scenarios import SCENARIOS
from tests.support.helm import Manifest, containers, pod_specs, render


@pytest.fixture(params=SCENARIOS)
def pods(request: pytest.FixtureRequest, helm: str) -> dict[str, Manifest]:
    """The spec of every pod of a scenario, by its maker's name."""
    values, file = SCENARIOS[request.param]
    return dict(pod_specs(render(values, file=file)))


def test_passes_the_restricted_standard(pods: dict[str, Manifest]) -> None:
    """No pod asks for what the pod security standard `restricted` refuses, and none can write to its image."""
    for name, spec in pods.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert int(spec["securityContext"]["runAsUser"]) > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}, name
        for item in containers(spec):
            assert item["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }, (name, item["name"])
            assert not any("hostPort" in port for port in item.get("ports", [])), name


def test_asks_for_what_it_needs(pods: dict[str, Manifest]) -> None:
    """Every container, init containers too, requests CPU and memory and has a bound on its memory."""
    for name, spec in pods.items():
        for item in containers(spec):
            assert item["resources"]["requests"].keys() >= {"cpu", "memory"}, (name, item["name"])
            assert "memory" in item["resources"]["limits"], (name, item["name"])


def test_gets_no_variables_of_services(pods: dict[str, Manifest]) -> None:
    """Kubernetes puts no variables of Services into pods, where Airflow and MLflow would take them for settings."""
    assert {
        name for name, spec in pods.items() if spec.get("enableServiceLinks") is not False
    } == set()


def test_holds_no_token_but_the_schedulers(pods: dict[str, Manifest]) -> None:
    """Only Airflow's scheduler, which starts the stages' pods, can talk to Kubernetes."""
    for name, spec in pods.items():
        is_scheduler = spec["containers"][0]["name"] == "scheduler"
        assert spec["automountServiceAccountToken"] is is_scheduler, name
        assert spec["serviceAccountName"].endswith("-airflow-scheduler") is is_scheduler, name


def test_mounts_what_is_there(pods: dict[str, Manifest]) -> None:
    """Every mount names a volume of the pod, and every volume is mounted."""
    for name, spec in pods.items():
        mounted = {mount["name"] for item in containers(spec) for mount in item["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}, name


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_services_have_all_probes(scenario: str) -> None:
    """What keeps running has a startup, a readiness and a liveness probe; none of them asks another host."""
    values, file = SCENARIOS[scenario]
    running = [
        item for item in render(values, file=file) if item["kind"] in ("Deployment", "StatefulSet")
    ]
    assert running
    for item in running:
        for served in item["spec"]["template"]["spec"]["containers"]:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert probe in served, (served["name"], probe)
                check = served[probe].get("httpGet") or served[probe].get("tcpSocket") or {}
                assert "host" not in check


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_reads_only_what_the_release_makes(scenario: str) -> None:
    """ConfigMaps and claims that pods use are of the same release, or given by a value; so are service accounts."""
    values, file = SCENARIOS[scenario]
    manifests = render(values, file=file)
    made = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    used = set()
    for _, spec in pod_specs(manifests):
        used.add(("ServiceAccount", spec["serviceAccountName"]))
        for volume in spec["volumes"]:
            if "configMap" in volume:
                used.add(("ConfigMap", volume["configMap"]["name"]))
            if "persistentVolumeClaim" in volume:
                used.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for item in containers(spec):
            for source in item.get("envFrom", []):
                if "configMapRef" in source:
                    used.add(("ConfigMap", source["configMapRef"]["name"]))
                else:
                    used.add(("Secret", source["secretRef"]["name"]))
            for variable in item.get("env", []):
                if "valueFrom" in variable:
                    used.add(("Secret", variable["valueFrom"]["secretKeyRef"]["name"]))
    given = {"store-keys", "database-passwords", "airflow-secrets", "my-claim", "api-key"}
    assert {(kind, name) for kind, name in used - made if name not in given} == set()
