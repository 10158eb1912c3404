"""The pods that the tasks create, and how a task reacts to the end of its pod."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.stages import DAGS, EXIT_PERMANENT, EXIT_SKIPPED, STAGES, Stage, get_stage

ALL = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
LAKE_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # what pipeline/context.py accepts


@pytest.fixture(scope="module", autouse=True)
def _airflow(environment: dict[str, str]) -> None:
    """Airflow reads its home when it is imported."""
    os.environ.update(environment)


def get_task(name: str) -> Any:
    """Return the task of a stage, as its DAG defines it."""
    stage = get_stage(name)
    return importlib.import_module(f"dags.{stage.dag}").dag.get_task(name)


def get_manifest(task: Any) -> dict[str, Any]:
    """Return the pod of a task as it goes to the API server."""
    from kubernetes.client import ApiClient

    pod = task.build_pod_request_obj(dry_run=True)
    manifest: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return manifest


def get_pod(stage: Stage) -> dict[str, Any]:
    return get_manifest(get_task(stage.name))


@ALL
def test_each_stage_runs_its_own_image(stage: Stage, config: dict[str, Any]) -> None:
    """The pod runs the stage's image with its resources, and tells the stage which image it is."""
    (container,) = get_pod(stage)["spec"]["containers"]
    image = config["stages"][stage.name]["image"]
    assert container["image"] == image
    assert container["resources"] == config["stages"][stage.name]["resources"]
    assert {"name": "MLOPS_IMAGE", "value": image} in container["env"]
    assert container["args"][:2] == [stage.name, "--run-id"]


@ALL
def test_pods_pass_the_restricted_standard(stage: Stage) -> None:
    """The pod passes the `restricted` pod security standard, and its root file system is read-only.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    spec = get_pod(stage)["spec"]
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} == {"emptyDir"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True
        assert not own.get("privileged")
        assert not any("hostPort" in port for port in container.get("ports", []))
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@ALL
def test_pods_have_no_access_to_the_cluster(stage: Stage) -> None:
    """The pod has no token and no service variables, and the kubelet never restarts it."""
    spec = get_pod(stage)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["serviceAccountName"] == "school-stage"


@ALL
def test_pods_run_where_the_values_say(stage: Stage, config: dict[str, Any]) -> None:
    """Stages' pods have the node selector and the tolerations of the chart's values."""
    assert config["scheduling"].items() <= get_pod(stage)["spec"].items()


@ALL
def test_settings_come_from_the_release(stage: Stage) -> None:
    """Settings and keys come from the release's ConfigMap and Secrets, not from the pod itself.

    Only the stages that call the predictor get its API key.
    """
    (container,) = get_pod(stage)["spec"]["containers"]
    api_key = [{"secretRef": {"name": "school-api-key"}}] if stage.calls_predictor else []
    assert container["envFrom"] == [
        {"configMapRef": {"name": "school-settings"}},
        {"secretRef": {"name": "school-objectstore"}},
        *api_key,
    ]
    assert {variable["name"] for variable in container["env"]} == {"MLOPS_IMAGE", "HOME"}


@ALL
def test_network_policies_can_select_the_pods(stage: Stage, config: dict[str, Any]) -> None:
    """Labels name the release, the stage and what it reaches beyond the common services."""
    labels = get_pod(stage)["metadata"]["labels"]
    assert labels.items() >= {**config["labels"], "student-mlops/stage": stage.name}.items()
    assert (labels.get("school/internet") == "true") is stage.internet
    assert (labels.get("school/calls-predictor") == "true") is stage.calls_predictor


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


def test_only_ingest_reads_the_source_of_a_run() -> None:
    """`source` of a run replaces the setting; without it the release's setting applies."""
    from dags.training import SOURCE_VARIABLE, set_source

    ingest = get_task("ingest")
    set_source({"params": {"source": None}, "task": ingest})
    assert not ingest.env_vars
    set_source({"params": {"source": "sample:500"}, "task": ingest})
    (container,) = get_manifest(ingest)["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment[SOURCE_VARIABLE] == "sample:500"
    assert environment["MLOPS_IMAGE"]
    ingest.env_vars = []
    hooked = {stage.name for stage in STAGES if get_task(stage.name)._pre_execute_hook}
    assert hooked == {"ingest"}


@pytest.mark.parametrize(
    "source",
    [
        None,
        "sample",
        "sample:1000",
        "gdrive:16_IoRl6EUCevWf4_l5orzRLjlnVG-WUd",
        "https://school.org/data.csv?term=2",
        "http://127.0.0.1:8000/data.csv",
        "s3://bronze/inbox/spring term.csv",
    ],
)
def test_sources_that_a_run_accepts(source: str | None) -> None:
    """A source is Google Drive, the web, S3 or generated rows; without one the settings apply."""
    from dags.training import dag

    assert dag.params.get_param("source").resolve(source) == source


@pytest.mark.parametrize(
    "source",
    [
        "/proc/self/environ",
        "../secrets.csv",
        "students.csv",
        "file:///etc/passwd",
        "sample:",
        "sample:0",
        "sample:ten",
        "gdrive:",
        "gdrive:../x",
        "s3://bronze",
        "s3:///key",
        "https://",
        " sample",
        "sample\n/proc/self/environ",
        "",
    ],
)
def test_sources_that_a_run_refuses(source: str) -> None:
    """Airflow refuses malformed sources, and paths, with which a pod would read its own files."""
    from airflow.sdk.exceptions import ParamValidationError

    from dags.training import dag

    with pytest.raises(ParamValidationError):
        dag.params.get_param("source").resolve(source)


@pytest.mark.parametrize(
    ("dag_id", "dag_run_id", "expected"),
    [
        ("training", "first", "training-first"),
        ("training", "2026.term_1-b", "training-2026.term_1-b"),
        (
            "drift",
            "manual__2026-11-23T08:00:00.123456+00:00_aB1x",
            "drift-20261123T080000-1a964479",
        ),
    ],
)
def test_run_ids(dag_id: str, dag_run_id: str, expected: str) -> None:
    """An id that a person chose stays; one that Airflow generated becomes a time and a hash."""
    from dags.pods import make_run_id

    assert make_run_id(dag_id, dag_run_id, "20261123T080000") == expected


def test_run_ids_are_valid_and_unique() -> None:
    """The lake accepts the id of any DAG run, and no two runs have the same id."""
    from dags.pods import make_run_id

    names = [
        "a",
        "a:b",
        "a+b",
        "a~b",
        "a b",
        "x" * 300,
        "x" * 301,
        "-",
        ".",
        "manual__2026-11-23T08:00:00+00:00",
    ]
    run_ids = {make_run_id(dag, name, "20261123T080000") for dag in DAGS for name in names}
    assert len(run_ids) == len(DAGS) * len(names)
    assert all(LAKE_RUN_ID.fullmatch(run_id) for run_id in run_ids)


def render_arguments(name: str) -> list[str]:
    """Return the arguments of a task's container, rendered by Airflow for a run of 23 November."""
    task = get_task(name).prepare_for_execution()
    run = SimpleNamespace(run_after=datetime(2026, 11, 23, 8, tzinfo=UTC))
    dag = get_task(name).dag
    task.render_template_fields({"dag": dag, "run_id": "nightly", "dag_run": run})
    arguments: list[str] = task.pod_template_dict["spec"]["containers"][0]["args"]
    return arguments


def test_the_run_id_is_rendered_into_the_arguments() -> None:
    """Airflow's template engine renders the run id into the container's arguments."""
    assert render_arguments("demote") == ["demote", "--run-id", "drift-nightly"]


def test_a_cleared_drift_check_compares_the_traffic_of_its_own_time() -> None:
    """The drift check ends its window when the run was due, not when the task runs again."""
    assert render_arguments("drift")[3:] == ["--until", "2026-11-23T08:00:00+00:00"]


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
