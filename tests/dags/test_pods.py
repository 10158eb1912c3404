"""The pods that the tasks ask Kubernetes for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages import EXIT_PERMANENT, EXIT_SKIPPED, STAGES, Stage, get_stage

ALL = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
LAKE_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # as pipeline/context.py takes it


@pytest.fixture(scope="module", autouse=True)
def _airflow(environment: dict[str, str]) -> None:
    """Airflow reads its home when it is imported."""
    os.environ.update(environment)


def spec_of(stage: Stage) -> dict[str, Any]:
    """The pod of a stage as it goes to the API server, as plain data."""
    from airflow.sdk import DAG
    from kubernetes.client import ApiClient

    from dags.pods import task_of

    with DAG("any", schedule=None):
        pod = task_of(stage).build_pod_request_obj(dry_run=True)
    plain: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return plain


@ALL
def test_each_stage_runs_its_own_image(stage: Stage, given: dict[str, Any]) -> None:
    """A pod has one container, of the stage's image with the chart's resources, and tells the stage which image it is."""
    (container,) = spec_of(stage)["spec"]["containers"]
    image = given["stages"][stage.name]["image"]
    assert container["image"] == image
    assert container["resources"] == given["stages"][stage.name]["resources"]
    assert {"name": "MLOPS_IMAGE", "value": image} in container["env"]
    assert container["args"][:2] == [stage.name, "--run-id"]


@ALL
def test_pods_pass_the_restricted_standard(stage: Stage) -> None:
    """The `restricted` pod security standard, rule by rule, and the read-only root that our images promise.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    spec = spec_of(stage)["spec"]
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
def test_pods_cannot_speak_to_the_cluster(stage: Stage) -> None:
    """A stage has no token, no list of services in its environment, and is never started again by the kubelet."""
    spec = spec_of(stage)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["serviceAccountName"] == "school-stage"


@ALL
def test_pods_run_where_the_values_say(stage: Stage, given: dict[str, Any]) -> None:
    """Node selector and tolerations of the chart's values are those of the stages' pods."""
    assert given["scheduling"].items() <= spec_of(stage)["spec"].items()


@ALL
def test_settings_come_from_the_release(stage: Stage) -> None:
    """Settings and keys are the release's ConfigMap and Secret; nothing secret is in the pod itself."""
    (container,) = spec_of(stage)["spec"]["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "school-settings"}},
        {"secretRef": {"name": "school-objectstore"}},
    ]
    assert {variable["name"] for variable in container["env"]} == {"MLOPS_IMAGE", "HOME"}


@ALL
def test_network_policies_can_select_the_pods(stage: Stage, given: dict[str, Any]) -> None:
    """Labels say that it is a stage and which, beside those of the release and of the stage's values."""
    labels = spec_of(stage)["metadata"]["labels"]
    wanted = {"app.kubernetes.io/component": "stage", "student-mlops/stage": stage.name}
    assert (
        wanted | given["labels"] | given["stages"][stage.name]["labels"]
    ).items() <= labels.items()


def test_nothing_to_do_is_skipped() -> None:
    """The exit code with which a stage says that there is nothing to do is the one Airflow skips on."""
    from airflow.sdk import DAG

    from dags.pods import task_of

    with DAG("any", schedule=None):
        assert EXIT_SKIPPED in task_of(get_stage("register")).skip_on_exit_code


@pytest.mark.parametrize(("code", "again"), [(1, True), (EXIT_PERMANENT, False), (137, True)])
def test_a_stage_that_would_fail_again_is_not_tried_again(
    code: int, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code says so: Airflow then fails the task at once; every other failure is tried again."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.sdk import DAG
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
    from kubernetes.client import models

    from dags.pods import task_of

    with DAG("any", schedule=None):
        task = task_of(get_stage("preprocess"))
    for asking in (
        "process_pod_deletion",
        "patch_already_checked",
        "is_istio_enabled",
    ):  # a cluster, which is not here
        monkeypatch.setattr(KubernetesPodOperator, asking, lambda *_, **__: None)
    task.log_events_on_failure = False
    ended = models.V1ContainerState(
        terminated=models.V1ContainerStateTerminated(exit_code=code, message="rows are bad")
    )
    container = models.V1ContainerStatus(
        name="base", image="", image_id="", ready=False, restart_count=0, state=ended
    )
    pod = models.V1Pod(
        metadata=models.V1ObjectMeta(name="preprocess"),
        spec=models.V1PodSpec(containers=[models.V1Container(name="base")]),
        status=models.V1PodStatus(phase="Failed", container_statuses=[container]),
    )
    with pytest.raises(AirflowException, match="rows are bad") as raised:
        task.cleanup(pod, pod)
    assert isinstance(raised.value, AirflowFailException) is not again


def test_a_runs_own_source_is_ingests_alone() -> None:
    """`source` of a run becomes ingest's setting; without it the release's setting stands."""
    from airflow.sdk import DAG

    from dags.pods import SOURCE_VARIABLE, take_source, task_of

    with DAG("any", schedule=None):
        ingest = task_of(get_stage("ingest"))
        others = [task_of(stage) for stage in STAGES if stage.name != "ingest"]
    take_source({"params": {"source": None}, "task": ingest})
    assert not ingest.env_vars
    take_source({"params": {"source": "sample:500"}, "task": ingest})
    environment = {
        variable.name: variable.value
        for variable in ingest.build_pod_request_obj(dry_run=True).spec.containers[0].env
    }
    assert environment[SOURCE_VARIABLE] == "sample:500"
    assert environment["MLOPS_IMAGE"]
    assert not any(task._pre_execute_hook for task in others)


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
    """A run keeps the name that somebody gave it; one that Airflow made up is told by its time and a hash."""
    from dags.pods import run_id_of

    assert run_id_of(dag_id, dag_run_id, "20261123T080000") == expected


def test_run_ids_are_taken_by_the_lake_and_never_shared() -> None:
    """Whatever a run is called, its id is of the lake's letters, and no two runs have the same."""
    from dags.pods import run_id_of

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
    made = {
        run_id_of(dag, name, "20261123T080000") for dag in ("training", "drift") for name in names
    }
    assert len(made) == 2 * len(names)
    assert all(LAKE_RUN_ID.fullmatch(run_id) for run_id in made)


def test_the_run_id_is_rendered_into_the_arguments() -> None:
    """The template in the pod's arguments renders, with Airflow's own engine, to the run's id."""
    from datetime import UTC, datetime
    from types import SimpleNamespace

    from dags.pods import dag_of

    dag = dag_of("drift", "text", schedule=None)
    task = dag.get_task("drift")
    run = SimpleNamespace(run_after=datetime(2026, 11, 23, 8, tzinfo=UTC))
    task.render_template_fields({"dag": dag, "run_id": "nightly", "dag_run": run})
    assert task.pod_template_dict["spec"]["containers"][0]["args"] == [
        "drift",
        "--run-id",
        "drift-nightly",
    ]


def test_the_stage_table_needs_only_the_standard_library() -> None:
    """Airflow's image holds none of the pipeline's dependencies."""
    isolated = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); import pipeline.stages",
    ]
    subprocess.run([*isolated, str(Path(__file__).parents[2])], check=True, timeout=60)
