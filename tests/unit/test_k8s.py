"""What `make up` decides and reports before it asks a cluster."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from images.layers import find_reachable
from k8s import access, cluster, first_run, release
from k8s.__main__ import check_columns, get_from_source_arguments, read_values
from k8s.airflow import Task
from k8s.images import list_artifacts, list_needed_artifacts
from k8s.process import ClusterError, Progress, run
from pipeline.columns import BUNDLED


def test_a_port_in_use_is_reported() -> None:
    """The error names the port and the file that configures it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        expected = rf"127\.0\.0\.1:{port} cannot be used.*k8s/kind\.yaml"
        with pytest.raises(ClusterError, match=expected):
            cluster.check_port_is_free("127.0.0.1", port)
    cluster.check_port_is_free("127.0.0.1", port)


def fake_docker(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str]) -> list[str]:
    """Answer commands by their first words; the commands that were run are collected."""
    commands: list[str] = []

    def run_fake(*words: object, **_: object) -> subprocess.CompletedProcess[str]:
        command = " ".join(map(str, words))
        commands.append(command)
        output = next((text for start, text in outputs.items() if command.startswith(start)), "")
        return subprocess.CompletedProcess([], 0, output, "")

    monkeypatch.setattr(cluster, "run", run_fake)
    monkeypatch.setattr(cluster, "read_output", lambda *words: run_fake(*words).stdout.strip())
    return commands


CREATED = """2026-01-01T08:00:07.5Z /school-worker
2026-01-01T08:00:07.25Z /school-control-plane
"""


def test_stopped_nodes_start_in_the_order_of_their_creation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Docker gives addresses in that order, so each node gets its own again."""
    outputs = {
        "kind get nodes": "school-worker school-control-plane",
        "docker inspect": CREATED,
    }
    commands = fake_docker(monkeypatch, outputs)
    assert cluster.start_nodes() == ["school-control-plane", "school-worker"]
    started = [command for command in commands if command.startswith("docker start")]
    assert started == ["docker start school-control-plane", "docker start school-worker"]


def test_running_nodes_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the stopped node is started."""
    outputs = {
        "kind get nodes": "school-worker school-control-plane",
        "docker inspect": CREATED,
        "docker ps": "school-control-plane",
    }
    fake_docker(monkeypatch, outputs)
    assert cluster.start_nodes() == ["school-worker"]


def test_without_a_registry_every_image_is_built_on_a_base_without_a_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The base images are built on this machine, and one of them replaces the image of Go."""
    commands: list[tuple[object, ...]] = []
    monkeypatch.setattr("k8s.__main__.run", lambda *command, **_: commands.append(command))
    arguments = get_from_source_arguments(list_artifacts())
    python = "python:3.13-slim-trixie"
    programs = ("minio", "oauth2-proxy")
    assert arguments == {
        artifact.name: {"GO" if artifact.name in programs else "PYTHON": python}
        for artifact in list_artifacts()
    }
    assert [command[1:] for command in commands] == [("context", *programs)]


@pytest.mark.parametrize(
    ("text", "is_needed"),
    [
        ("", False),
        ("auth:", False),
        ("auth: {oidc: {clientId: mlops}}", False),
        ("auth: {oidc: {issuer: https://login.school.org}}", True),
    ],
)
def test_the_login_is_built_only_for_single_sign_on(
    text: str, is_needed: bool, tmp_path: Path
) -> None:
    """Its image takes minutes to compile; all other images are always needed."""
    path = tmp_path / "school.yaml"
    path.write_text(text)
    needed = {artifact.name for artifact in list_needed_artifacts(read_values(path))}
    optional = {artifact.name for artifact in list_artifacts()} - needed
    assert optional == (set() if is_needed else {"oauth2-proxy"})


@pytest.mark.parametrize("text", [None, "[]", "a: {"])
def test_a_wrong_values_file_is_refused(text: str | None, tmp_path: Path) -> None:
    """It is read before the cluster is created, and the message names the file."""
    path = tmp_path / "school.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ClusterError, match=r"school\.yaml"):
        read_values(path)


def list_nodes_json(heartbeat: str) -> str:
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}
    node = {"metadata": {"name": "school-control-plane"}, "status": {"conditions": [condition]}}
    return json.dumps({"items": [node]})


@pytest.mark.parametrize(
    ("heartbeat", "unready"),
    [
        ("2026-01-02T09:00:00Z", "school-control-plane not ready"),
        ("2026-01-02T09:00:05Z", None),
    ],
)
def test_a_node_is_ready_once_it_reports_so_after_its_start(
    monkeypatch: pytest.MonkeyPatch, heartbeat: str, unready: str | None
) -> None:
    """A report from before the restart does not count."""
    outputs = {
        "kind get nodes": "school-control-plane",
        "docker inspect --format {{.Created}}": CREATED.splitlines()[1],
        "docker inspect --format {{.State.StartedAt}}": "2026-01-02T09:00:04.75Z",
        "kubectl": list_nodes_json(heartbeat),
    }
    fake_docker(monkeypatch, outputs)
    assert cluster.list_unready_nodes() == unready


def test_a_missing_program_is_reported() -> None:
    """The error names the program and the command that installs it."""
    with pytest.raises(ClusterError, match=r"^no-such-program is not installed\. `make tools`"):
        run("no-such-program")


def test_a_failed_program_is_reported_with_its_output() -> None:
    """The end of its output is part of the error."""
    with pytest.raises(ClusterError, match="out of cheese"):
        run("sh", "-c", "echo out of cheese >&2; exit 3")


def test_a_program_that_hangs_is_killed() -> None:
    """Every program has a timeout."""
    with pytest.raises(ClusterError, match=r"did not exit within 0\.1 s"):
        run("sleep", "60", timeout_seconds=0.1)


def test_a_wait_reports_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is printed when it changes, until nothing is missing."""
    missing = iter(["two pods", "two pods", "one pod", None])
    Progress().wait_for("the chart", lambda: next(missing), timeout_seconds=60, interval_seconds=0)
    shown = capsys.readouterr().err
    assert shown.count("waiting for the chart: two pods") == 1
    assert shown.count("waiting for the chart: one pod") == 1


def test_a_wait_times_out() -> None:
    """The error says what was still missing."""
    with pytest.raises(ClusterError, match="after 0 s waiting for the chart: one pod"):
        Progress().wait_for("the chart", lambda: "one pod", timeout_seconds=0)


def test_a_path_becomes_its_url_in_the_inbox(tmp_path: Path) -> None:
    """A local file is replaced by the object to which it is uploaded; other sources are kept."""
    file = tmp_path / "students.csv"
    file.touch()
    assert first_run.choose_source(str(file)) == "s3://bronze/inbox/students.csv"
    assert first_run.choose_source("sample:100") == "sample:100"


def test_a_missing_file_is_refused() -> None:
    """A misspelt path is neither uploaded nor passed to the stage."""
    with pytest.raises(ClusterError, match=r"studnets\.csv does not exist"):
        first_run.choose_source("studnets.csv")


@pytest.mark.parametrize(
    ("read", "missing"),
    [
        (set(), "training, deployment not read yet"),
        ({"training", "drift"}, "deployment not read yet"),
        ({"training", "deployment"}, None),
    ],
)
def test_a_run_waits_for_both_of_its_dags(read: set[str], missing: str | None) -> None:
    """Airflow reads one DAG before the other, and has no runs of a DAG that it has not read."""
    assert first_run.describe_unread(read) == missing


def test_a_run_is_described_by_its_first_open_task() -> None:
    """Tasks are in the order of the stage table, whatever order Airflow lists them in."""
    tasks = {
        name: Task(name, state, 1, None, None)
        for name, state in (("train", None), ("features", "running"), ("ingest", "success"))
    }
    assert first_run.describe_tasks(tasks) == "1 of 3 tasks have ended, features running"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"waiting": {"reason": "ImagePullBackOff"}}, "main: ImagePullBackOff"),
        ({"waiting": {"reason": "ContainerCreating"}}, "starting"),
        ({"terminated": {"exitCode": 137}}, "main: exit code 137"),
        ({"running": {}}, "main starting"),
    ],
)
def test_why_a_pod_is_not_ready(state: dict[str, object], reason: str) -> None:
    """The reason is the state of the first container that is not well."""
    status = {"containerStatuses": [{"name": "main", "state": state, "ready": False}]}
    assert release.explain_unready(status, {"PodScheduled": {"status": "True"}}) == reason


def test_imports_are_followed_wherever_they_are(tmp_path: Path) -> None:
    """Imports in functions count, imports for type checkers do not; a module needs its package."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "till.py").write_text("def pay() -> None:\n    from shop import coins\n")
    (package / "coins.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import shop.door\nelse:\n    import decimal\n"
    )
    (package / "door.py").touch()
    files, outside = find_reachable(["shop.till"], tmp_path)
    assert {file.name for file in files} == {"__init__.py", "till.py", "coins.py"}
    assert "decimal" in outside


def test_a_columns_file_is_checked_before_the_cluster_is_created(tmp_path: Path) -> None:
    """The text that the chart gets is a columns file without errors."""
    path = tmp_path / "own.columns.yaml"
    path.write_text(BUNDLED.read_text())
    assert check_columns(path) == BUNDLED.read_text()
    path.write_text(BUNDLED.read_text().replace("    low: 15\n", ""))
    with pytest.raises(ClusterError, match=r"own.columns.yaml:\d+: features\[0\].low: is missing"):
        check_columns(path)


def test_an_upgrade_keeps_the_columns_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make up` without COLUMNS uses the file of the installed release, if it has one."""
    item = {"metadata": {"name": "student-mlops-columns"}, "data": {"columns.yaml": "subject: x"}}
    monkeypatch.setattr(release, "cluster_exists", lambda: True)
    for items, text in (([item], "subject: x"), ([], "")):
        monkeypatch.setattr(release, "get_objects", lambda _, items=items: items)
        assert release.get_columns() == text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_have_the_scheme_of_the_release(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """With tls.internal, browsers must use https."""
    settings = {"MLOPS_MLFLOW__TRACKING_URI": f"{scheme}://student-mlops-mlflow:5000"}
    found = [{"metadata": {"name": "student-mlops-settings"}, "data": settings}]
    monkeypatch.setattr(access, "get_objects", lambda *_: found)
    for name in ("get_object_store_keys", "get_airflow_login", "get_mlflow_login"):
        monkeypatch.setattr(access, name, lambda: ("user", "password"))
    urls = [url for _, url, *_ in access.list_interfaces()]
    assert {url.partition(":")[0] for url in urls} == {scheme}
