"""The pods that the tasks create, and how a task reacts to the end of its pod."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.stages import COMMAND_TASKS, EXIT_PERMANENT, EXIT_SKIPPED, STAGES, Task
from tests.support.dag_tasks import get_manifest, get_task

ALL = pytest.mark.parametrize("stage", (*STAGES, *COMMAND_TASKS), ids=lambda stage: stage.name)


def get_pod(stage: Task) -> dict[str, Any]:
    return get_manifest(get_task(stage.name))


@ALL
def test_each_stage_runs_its_own_image(stage: Task, config: dict[str, Any]) -> None:
    """The pod runs the stage's image with its resources, and tells the stage which image it is."""
    (container,) = get_pod(stage)["spec"]["containers"]
    image = config["stages"][stage.name]["image"]
    assert container["image"] == image
    assert container["resources"] == config["stages"][stage.name]["resources"]
    assert {"name": "MLOPS_IMAGE", "value": image} in container["env"]
    assert container["args"][0] == stage.name
    assert ("--run-id" in container["args"]) is (stage in STAGES)


@ALL
def test_pods_pass_the_restricted_standard(stage: Task) -> None:
    """The pod passes the `restricted` pod security standard, and its root file system is read-only.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    spec = get_pod(stage)["spec"]
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    certificates = {"secret"} if stage.tasks else set()  # for the connection to Dask
    assert kinds == {"emptyDir", "configMap", "projected"} | certificates
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True
        assert not own.get("privileged")
        assert not any("hostPort" in port for port in container.get("ports", []))
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@ALL
def test_pods_have_no_access_to_the_cluster(stage: Task) -> None:
    """The pod has no token and no service variables, and the kubelet never restarts it."""
    spec = get_pod(stage)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["serviceAccountName"] == f"school-{stage.name}"


@ALL
def test_pods_run_where_the_values_say(stage: Task, config: dict[str, Any]) -> None:
    """Stages' pods have the node selector and the tolerations of the chart's values."""
    assert config["scheduling"].items() <= get_pod(stage)["spec"].items()


@ALL
def test_settings_come_from_the_release(stage: Task) -> None:
    """Settings and keys come from the release's ConfigMap and Secrets, not from the pod itself.

    A stage gets the object store's keys of its own identity. Only the stages that call the
    predictor get its API key, only those that see the keys of persons get the secret of their
    pseudonyms, only those that use MLflow get a login of it, only those that connect to the
    internet get the proxy, and only those with work for Dask get the address of its scheduler.
    """
    spec = get_pod(stage)["spec"]
    (container,) = spec["containers"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "secrets"]
    api_key = ["school-api-key"] if stage.calls_predictor else []
    pseudonyms = ["school-pseudonyms"] if stage.reads_keys else []
    mlflow = [f"school-mlflow-{stage.mlflow_user}"] if stage.mlflow_user else []
    secrets = [f"school-s3-{stage.name}", *api_key, *pseudonyms, *mlflow]
    sources = [{"secret": {"name": name}} for name in secrets]
    assert volume["projected"] == {"defaultMode": 0o440, "sources": sources}
    mount = {"name": "secrets", "mountPath": "/run/secrets/school", "readOnly": True}
    assert mount in container["volumeMounts"]
    assert {"name": "MLOPS_SECRETS_FOLDER", "value": mount["mountPath"]} in container["env"]
    proxy = [{"configMapRef": {"name": "school-proxy"}}] if stage.internet else []
    assert container["envFrom"] == [
        {"configMapRef": {"name": "school-settings"}},
        *proxy,
    ]
    workers = {"MLOPS_DASK__SCHEDULER"} if stage.tasks else set()
    names = {variable["name"] for variable in container["env"]}
    assert names == {"MLOPS_IMAGE", "HOME", "MLOPS_SECRETS_FOLDER"} | workers


@ALL
def test_pods_mount_the_columns_file_and_the_authorities(stage: Task) -> None:
    """The release's ConfigMaps are mounted read-only."""
    spec = get_pod(stage)["spec"]
    for name, folder in (("columns", "/etc/school"), ("ca", "/etc/school-ca")):
        assert {"name": name, "configMap": {"name": f"school-{name}"}} in spec["volumes"]
        mount = {"name": name, "mountPath": folder, "readOnly": True}
        assert mount in spec["containers"][0]["volumeMounts"]


@ALL
def test_network_policies_can_select_the_pods(stage: Task, config: dict[str, Any]) -> None:
    """Labels name the release, the stage and what it reaches beyond the common services."""
    labels = get_pod(stage)["metadata"]["labels"]
    assert labels.items() >= {**config["labels"], "student-mlops/stage": stage.name}.items()
    assert (labels.get("school/internet") == "true") is stage.internet
    assert (labels.get("school/calls-predictor") == "true") is stage.calls_predictor


def test_arguments_contain_no_secrets() -> None:
    """The kubelet expands no variable in what a person wrote, and the stage gets it unchanged."""
    task = copy.deepcopy(get_task("score"))
    task.pod_template_dict["spec"]["containers"][0]["args"] = [
        "score",
        "--uploaded=$(AWS_SECRET_ACCESS_KEY) 5 $.csv",
    ]
    (container,) = get_manifest(task)["spec"]["containers"]
    assert container["args"] == ["score", "--uploaded=$$(AWS_SECRET_ACCESS_KEY) 5 $$.csv"]


def test_nothing_to_do_is_skipped() -> None:
    """Airflow skips on the exit code with which a stage reports that it had nothing to do."""
    assert EXIT_SKIPPED in get_task("register").skip_on_exit_code


@pytest.mark.parametrize(("code", "is_retried"), [(1, True), (EXIT_PERMANENT, False), (137, True)])
def test_permanent_failures_are_not_retried(
    code: int, is_retried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow fails the task at once on exit code 3, and retries it on every other failure."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
    from kubernetes.client import models

    task = get_task("preprocess")
    for method in (  # these ask a cluster
        "process_pod_deletion",
        "patch_already_checked",
        "is_istio_enabled",
    ):
        monkeypatch.setattr(KubernetesPodOperator, method, lambda *_, **__: None)
    monkeypatch.setattr(task, "log_events_on_failure", False)
    terminated = models.V1ContainerState(
        terminated=models.V1ContainerStateTerminated(exit_code=code, message="rows are bad")
    )
    status = models.V1ContainerStatus(
        name="base", image="", image_id="", ready=False, restart_count=0, state=terminated
    )
    pod = models.V1Pod(
        metadata=models.V1ObjectMeta(name="preprocess"),
        spec=models.V1PodSpec(containers=[models.V1Container(name="base")]),
        status=models.V1PodStatus(phase="Failed", container_statuses=[status]),
    )
    with pytest.raises(AirflowException, match="rows are bad") as raised:
        task.cleanup(pod, pod)
    assert isinstance(raised.value, AirflowFailException) is not is_retried


def test_the_end_of_a_pod_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task polls the pod until it has ended, and not after."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    from dags import pods

    phases = iter(["Running", "Running", "Succeeded", "Succeeded"])
    manager = SimpleNamespace(
        read_pod=lambda _: SimpleNamespace(status=SimpleNamespace(phase=next(phases)))
    )
    monkeypatch.setattr(KubernetesPodOperator, "await_pod_completion", lambda *_: None)
    monkeypatch.setattr(KubernetesPodOperator, "pod_manager", manager)
    monkeypatch.setattr(pods, "POLL_INTERVAL_SECONDS", 0)
    get_task("register").await_pod_completion(SimpleNamespace())
    assert list(phases) == ["Succeeded"]


def test_the_stage_table_needs_only_the_standard_library() -> None:
    """The table can be imported in Airflow's image, which has none of the stages' dependencies."""
    isolated = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); import pipeline.stages, pipeline.polling",
    ]
    subprocess.run([*isolated, str(Path(__file__).parents[2])], check=True, timeout=60)
