"""What `make up` decides and says before any cluster is asked."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from images.layers import reachable
from k8s import cluster, first_run
from k8s.process import ClusterError, Progress, run


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says which port, and which file has it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ClusterError, match=rf"127\.0\.0\.1:{port} cannot be used.*k8s/kind\.yaml"
        ):
            cluster.refuse_if_taken("127.0.0.1", port)
    cluster.refuse_if_taken("127.0.0.1", port)


def test_a_missing_program_is_a_sentence() -> None:
    """What is not installed is named, with the command that installs it."""
    with pytest.raises(ClusterError, match=r"^no-such-program is missing; `make tools`"):
        run("no-such-program")


def test_a_failed_program_says_what_it_said() -> None:
    """The end of its output is part of the error."""
    with pytest.raises(ClusterError, match="out of cheese"):
        run("sh", "-c", "echo out of cheese >&2; exit 3")


def test_a_hanging_program_is_ended() -> None:
    """Every program has a bound."""
    with pytest.raises(ClusterError, match="did not end within 0 s"):
        run("sleep", "60", timeout=0.1)


def test_a_wait_says_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is shown when it changes, until nothing is."""
    answers = iter(["two pods", "two pods", "one pod", None])
    Progress().wait("the chart", lambda: next(answers), seconds=60, pause=0)
    shown = capsys.readouterr().err
    assert (
        shown.count("waiting for the chart: two pods")
        == shown.count("waiting for the chart: one pod")
        == 1
    )


def test_a_wait_is_bounded() -> None:
    """The error says what was missing to the last."""
    with pytest.raises(ClusterError, match="the chart: still one pod after 0 s"):
        Progress().wait("the chart", lambda: "one pod", seconds=0, pause=0)


def test_a_path_is_read_from_the_inbox(tmp_path: Path) -> None:
    """A file of this machine becomes the object that it is uploaded as; other sources stay as they are."""
    file = tmp_path / "students.csv"
    file.touch()
    assert first_run.source_of(str(file)) == "s3://bronze/inbox/students.csv"
    assert first_run.source_of("sample:100") == "sample:100"


def test_data_that_is_nothing_is_refused() -> None:
    """A misspelt path is neither uploaded nor handed to the stage."""
    with pytest.raises(ClusterError, match=r"studnets\.csv is no file"):
        first_run.source_of("studnets.csv")


def pod(**status: object) -> str:
    conditions = {"PodScheduled": {"status": "True"}}
    return cluster._why({"phase": "Pending", **status}, conditions)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"waiting": {"reason": "ImagePullBackOff"}}, "main: ImagePullBackOff"),
        ({"waiting": {"reason": "ContainerCreating"}}, "starting"),
        ({"terminated": {"exitCode": 137}}, "main: exit code 137"),
        ({"running": {}}, "main starting"),
    ],
)
def test_why_a_pod_is_not_ready(state: dict[str, object], why: str) -> None:
    """The first container that is not well, in Kubernetes' own words."""
    assert pod(containerStatuses=[{"name": "main", "state": state, "ready": False}]) == why


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    """Imports inside functions count, those for type checkers alone do not; a package counts with its module."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "till.py").write_text("def pay() -> None:\n    from shop import coins\n")
    (package / "coins.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop.door\nelse:\n    import decimal\n"
    )
    (package / "door.py").touch()
    files, outside = reachable(["shop.till"], tmp_path)
    assert {file.name for file in files} == {"__init__.py", "till.py", "coins.py"}
    assert {module for module in outside if re.match("decimal", module)} == {"decimal"}
