"""What helm prints after an installation."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipeline.columns import BUNDLED
from serving.http.rows import EXAMPLE
from tests.support.chart_scenarios import EVERYTHING, EXTERNAL, OIDC
from tests.support.helm import CHART, NAMESPACE, RELEASE, Values, render, run_helm

# `helm template` omits the notes, and `helm install --dry-run` needs a cluster. This template
# renders them as a manifest.
TEMPLATE = """\
kind: Notes
text: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}
"""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the chart that renders its notes as a manifest."""
    copy: Path = shutil.copytree(CHART, tmp_path_factory.mktemp("charts") / CHART.name)
    (copy / "templates" / "zz-notes.yaml").write_text(TEMPLATE)
    return copy


@pytest.fixture
def get_notes(chart: Path) -> Callable[..., str]:
    """Returns the notes for some values."""

    def run(values: Values | None = None, file: str | None = None) -> str:
        files = [f"--values={CHART / file}"] if file else []
        options = ["--namespace", NAMESPACE, "--show-only=templates/zz-notes.yaml", *files]
        process = run_helm("template", RELEASE, str(chart), *options, values=values)
        assert process.returncode == 0, process.stderr
        return str(yaml.safe_load(process.stdout)["text"])

    return run


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_port_forwards_have_a_target(values: Values, get_notes: Callable[..., str]) -> None:
    """Each port-forward names an existing Service and port."""
    services = {
        item["metadata"]["name"]: {port["port"] for port in item["spec"]["ports"]}
        for item in render(values)
        if item["kind"] == "Service"
    }
    forwards = re.findall(
        r"kubectl --namespace school port-forward svc/(\S+) \d+:(\d+)", get_notes(values)
    )
    assert len(forwards) == 4
    assert all(int(port) in services[name] for name, port in forwards)


def test_logins_are_keys_of_secrets(get_notes: Callable[..., str]) -> None:
    """Each login is read from an existing key of a Secret."""
    secrets = {
        item["metadata"]["name"]: item["data"] for item in render() if item["kind"] == "Secret"
    }
    logins = re.findall(r"get secret (\S+) --output jsonpath='{\.data\.(\S+)}'", get_notes())
    assert {key for _, key in logins} == {
        "admin-password",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
    }
    assert all(key in secrets[name] for name, key in logins)


def test_disabled_and_external_components(get_notes: Callable[..., str]) -> None:
    """A component that is disabled or external has no port-forward."""
    text = get_notes(EXTERNAL)
    assert "svc/student-mlops-minio" not in text
    assert "svc/student-mlops-mlflow" not in text
    assert "https://mlflow.school.org" in text
    assert "airflow-secrets" in text
    assert "Airflow" not in get_notes({"airflow": {"enabled": False}})


def test_node_ports(get_notes: Callable[..., str]) -> None:
    """The notes give the node ports if there are some."""
    text = get_notes(file="values-kind.yaml")
    values = yaml.safe_load((CHART / "values-kind.yaml").read_text())
    for component in ("airflow", "mlflow", "predictor"):
        assert f"port {values[component]['service']['nodePort']} of every node" in text


def test_images_without_a_registry(get_notes: Callable[..., str]) -> None:
    """By default the notes explain where the images come from; with a registry they need not."""
    assert "image.registry is" in get_notes()
    assert "image.registry is" not in get_notes({"image": {"registry": "ghcr.io/school"}})


def test_the_example_request_is_valid(get_notes: Callable[..., str]) -> None:
    """The example request has the fields that the predictor expects."""
    body = re.search(r"--data ('.*')", get_notes())
    assert body is not None
    (text,) = shlex.split(body[1])
    assert yaml.safe_load(text).keys() == EXAMPLE.keys()


def test_the_example_request_has_a_key_if_one_is_required(get_notes: Callable[..., str]) -> None:
    """With keys of callers, the example shows where the key goes; the command stays one command."""
    text = get_notes({"predictor": {"apiKeys": {"existingSecret": "callers"}}})
    (command,) = re.findall(r"curl (?:.*\\\n)*.*", text)
    assert "X-API-Key: KEY" in shlex.split(command)
    assert "X-API-Key" not in get_notes()


def test_another_table_has_no_example_of_the_survey(get_notes: Callable[..., str]) -> None:
    """With a columns file in the values, the notes lead to the predictor's own examples."""
    text = get_notes({"columns": BUNDLED.read_text()})
    assert "http://127.0.0.1:8000/docs" in text
    assert not [name for name in EXAMPLE if f'"{name}"' in text]


def test_what_uninstalling_keeps(get_notes: Callable[..., str]) -> None:
    """The notes say that volumes and Secrets are kept, and how to delete them."""
    text = get_notes()
    assert "keeps the volumes and the generated Secrets" in text
    assert f"delete pvc,secret --selector app.kubernetes.io/instance={RELEASE}" in text


def test_single_sign_on(get_notes: Callable[..., str]) -> None:
    """They have the Services that lead to the login, and where people log in."""
    notes = get_notes(OIDC)
    assert "port-forward svc/student-mlops-predictor 8000:80" in notes
    assert "port-forward svc/student-mlops-mlflow 5000:5000" in notes
    assert notes.count("People log in at https://login.school.org/realms/school") >= 2
