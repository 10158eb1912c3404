"""What helm prints after an installation."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from serving.http.requests import EXAMPLE
from tests.support.chart_scenarios import EVERYTHING, EXTERNAL
from tests.support.helm import CHART, NAMESPACE, RELEASE, Values, render, run_helm

# `helm template` leaves the notes out, and `helm install --dry-run` wants a cluster: this template takes them in.
TEMPLATE = """\
kind: Notes
text: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}
"""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with its notes as a manifest."""
    copy: Path = shutil.copytree(CHART, tmp_path_factory.mktemp("charts") / CHART.name)
    (copy / "templates" / "zz-notes.yaml").write_text(TEMPLATE)
    return copy


@pytest.fixture
def notes(chart: Path) -> Callable[..., str]:
    """What is printed for these values."""

    def noted(values: Values | None = None, file: str | None = None) -> str:
        files = [f"--values={CHART / file}"] if file else []
        command = (
            "template",
            RELEASE,
            str(chart),
            "--namespace",
            NAMESPACE,
            "--show-only=templates/zz-notes.yaml",
            *files,
        )
        answer = run_helm(*command, values=values)
        assert answer.returncode == 0, answer.stderr
        return str(yaml.safe_load(answer.stdout)["text"])

    return noted


def test_port_forwards_lead_somewhere(notes: Callable[..., str]) -> None:
    """Each port-forward names a Service and a port that are there."""
    for values in ({}, EVERYTHING):
        services = {
            item["metadata"]["name"]: {port["port"] for port in item["spec"]["ports"]}
            for item in render(values)
            if item["kind"] == "Service"
        }
        forwards = re.findall(
            r"kubectl --namespace school port-forward svc/(\S+) \d+:(\d+)", notes(values)
        )
        assert len(forwards) == 4
        assert all(int(port) in services[name] for name, port in forwards)


def test_logins_are_keys_of_secrets(notes: Callable[..., str]) -> None:
    """Each login is read from a key that its Secret has."""
    secrets = {
        item["metadata"]["name"]: item["data"] for item in render() if item["kind"] == "Secret"
    }
    logins = re.findall(r"get secret (\S+) --output jsonpath='{\.data\.(\S+)}'", notes())
    assert {key for _, key in logins} == {
        "admin-password",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    }
    assert all(key in secrets[name] for name, key in logins)


def test_what_is_not_there_is_not_spoken_of(notes: Callable[..., str]) -> None:
    """Parts that are switched off or replaced have no port-forward and no login."""
    text = notes(EXTERNAL)
    assert "svc/student-mlops-minio" not in text
    assert "svc/student-mlops-mlflow" not in text
    assert "https://mlflow.school.org" in text
    assert "airflow-secrets" in text
    assert "Airflow" not in notes({"airflow": {"enabled": False}})


def test_ports_of_nodes_are_said(notes: Callable[..., str]) -> None:
    """On kind the notes give the ports on the nodes."""
    text = notes(file="values-kind.yaml")
    values = yaml.safe_load((CHART / "values-kind.yaml").read_text())
    for part in ("airflow", "mlflow", "predictor"):
        assert f"port {values[part]['service']['nodePort']} of every node" in text


def test_the_first_prediction_is_one_that_is_taken(notes: Callable[..., str]) -> None:
    """The example request is one that the predictor's data dictionary takes."""
    body = re.search(r"--data ('.*')", notes())
    assert body is not None
    (text,) = shlex.split(body[1])
    assert yaml.safe_load(text).keys() == EXAMPLE.keys()


def test_says_what_uninstalling_leaves(notes: Callable[..., str]) -> None:
    """The notes say that volumes and Secrets stay, and how to delete them."""
    text = notes()
    assert "leaves the volumes and the generated Secrets" in text
    assert f"delete pvc,secret --selector app.kubernetes.io/instance={RELEASE}" in text
