"""Dask's scheduler and workers."""

from __future__ import annotations

import argparse
import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dags.pod_spec import build_labels, build_pod
from images.layers import find_reachable
from pipeline.commands import dask
from pipeline.compute import servers
from pipeline.settings import Settings
from pipeline.stages import STAGES
from tests.support.chart_scenarios import WORKERS
from tests.support.helm import (
    ROOT,
    Manifest,
    find,
    get_container,
    get_names,
    get_pods_file,
    get_secret_names,
    get_variables,
    render,
)

SECRET = "student-mlops-dask"


def get_pod(name: str, values: Manifest | None = None) -> Any:
    return find(render(values or WORKERS), "Deployment", name)["spec"]["template"]["spec"]


def test_disabled_by_default() -> None:
    """Without `dask.enabled` there is no scheduler, worker or certificate, and stages know none."""
    manifests = render()
    assert not [item for item in manifests if "-dask" in item["metadata"]["name"]]
    assert "student-mlops-stage-workers" not in get_names(manifests, "NetworkPolicy")
    pods = get_pods_file(manifests)
    for stage in STAGES:
        assert "DASK" not in str(build_pod(stage, [], pods))


def test_the_stages_that_use_workers_get_the_address_and_the_certificate() -> None:
    """The settings accept the environment of such a stage; other stages get nothing of it."""
    pods = get_pods_file(render(WORKERS))
    using = [stage for stage in STAGES if stage.tasks]
    assert using
    for stage in STAGES:
        pod = build_pod(stage, [], pods)["spec"]
        names = {volume.get("secret", {}).get("secretName") for volume in pod["volumes"]}
        assert (SECRET in names) is (stage in using), stage.name
        assert ("student-mlops/uses-workers" in build_labels(stage, pods)) is (stage in using)
    container = build_pod(using[0], [], pods)["spec"]["containers"][0]
    variables = get_variables(container)
    settings = Settings.load({k: v for k, v in variables.items() if k.startswith("MLOPS_DASK")})
    assert settings.dask.scheduler == f"tls://{SECRET}-scheduler:8786"
    (mount,) = [item for item in container["volumeMounts"] if item["name"] == "dask"]
    files = (settings.dask.ca, settings.dask.certificate, settings.dask.key)
    assert {str(Path(file).parent) for file in files} == {mount["mountPath"]}
    assert {Path(file).name for file in files} == set(
        find(render(WORKERS), "Secret", "dask")["data"]
    )


def test_stages_that_use_workers_say_so() -> None:
    """The stages that can connect to a scheduler have `tasks` in the stage table."""
    client = Path("pipeline", "compute", "workers.py")
    using = {
        stage.name
        for stage in STAGES
        if client in find_reachable([f"pipeline.stages.{stage.name}"], ROOT)[0]
    }
    assert using == {stage.name for stage in STAGES if stage.tasks}


def test_the_authority_signed_the_certificate(tmp_path: Path) -> None:
    """The certificate is valid for servers and clients. The authority's key is not stored."""
    data = find(render(WORKERS), "Secret", "dask")["data"]
    for name, text in data.items():
        (tmp_path / name).write_bytes(base64.b64decode(text))
    for purpose in ("sslserver", "sslclient"):
        command = ["openssl", "verify", "-CAfile", "ca.crt", "-purpose", purpose, "tls.crt"]
        assert (
            "OK"
            in subprocess.run(
                command, cwd=tmp_path, check=True, capture_output=True, text=True
            ).stdout
        )
    assert set(data) == {"ca.crt", "tls.crt", "tls.key"}


def test_an_existing_certificate() -> None:
    """Everything uses the Secret that the values name, and the chart generates none."""
    manifests = render({"dask": {"enabled": True, "tls": {"existingSecret": "mine"}}})
    assert SECRET not in get_names(manifests, "Secret")
    for name in ("dask-scheduler", "dask-worker"):
        volumes = find(manifests, "Deployment", name)["spec"]["template"]["spec"]["volumes"]
        assert "mine" in {volume.get("secret", {}).get("secretName") for volume in volumes}
    assert get_pods_file(manifests)["access"]["workers"]["certificate"]["secret"] == "mine"


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("dask-scheduler", [servers.SCHEDULER_PORT, servers.DASHBOARD_PORT]),
        ("dask-worker", [servers.WORKER_PORT, servers.WORKER_HEALTH_PORT]),
    ],
)
def test_the_command_of_a_pod(name: str, ports: list[int]) -> None:
    """The image's command accepts the arguments, and listens on the container's ports."""
    container = get_container(find(render(WORKERS), "Deployment", name))
    command, *arguments = container["args"]
    assert command == "dask"
    parser = argparse.ArgumentParser()
    dask.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    assert parsed.role == name.removeprefix("dask-")
    assert [port["containerPort"] for port in container["ports"]] == ports


def test_a_worker_has_time_to_drain() -> None:
    """The kubelet waits longer than the worker waits for its tasks."""
    pod = get_pod(
        "dask-worker", {"dask": {"enabled": True, "workers": {"drainTimeoutSeconds": 50}}}
    )
    assert "--drain-timeout=50" in pod["containers"][0]["args"]
    assert pod["terminationGracePeriodSeconds"] > 50


def test_workers_scale_by_cpu_if_the_values_say_so() -> None:
    """With the autoscaler the Deployment has no `replicas`, which every upgrade would reset."""
    fixed = {"dask": {"enabled": True, "workers": {"replicas": 3}}}
    assert find(render(fixed), "Deployment", "dask-worker")["spec"]["replicas"] == 3
    assert f"{SECRET}-worker" not in get_names(render(fixed), "HorizontalPodAutoscaler")
    scaled = render({"dask": {"enabled": True, "workers": {"autoscaling": {"enabled": True}}}})
    assert "replicas" not in find(scaled, "Deployment", "dask-worker")["spec"]
    scaler = find(scaled, "HorizontalPodAutoscaler", "dask-worker")["spec"]
    assert scaler["scaleTargetRef"]["name"] == f"{SECRET}-worker"


def test_a_worker_has_no_secret_but_its_keys_and_the_certificate() -> None:
    """It reads the settings, the columns file and its own identity's keys."""
    pod = get_pod("dask-worker")
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": "student-mlops-settings"}}]
    assert get_secret_names(pod, container) == ["student-mlops-s3-worker"]
    assert {volume.get("secret", {}).get("secretName") for volume in pod["volumes"]} == {
        None,
        SECRET,
    }
