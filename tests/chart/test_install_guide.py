"""docs/how-to/install.md: its values, Secrets, images and helm commands agree with the chart."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.images import list_artifacts
from tests.support.helm import (
    ROOT,
    find,
    find_helm,
    get_containers,
    get_names,
    get_pod_specs,
    get_pods_file,
    get_secret_sources,
    render,
)

PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text()
REGISTRY = "registry.school.org"


def get_block(language: str, containing: str) -> str:
    """Return the page's only code block of a language that contains a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if containing in block)
    return str(block)


VALUES: dict[str, Any] = yaml.safe_load(get_block("yaml", "registry"))


def read_secrets() -> dict[str, set[str]]:
    """Return the Secrets that the page creates, each with its keys."""
    secrets = {}
    for line in get_block("sh", "create namespace").splitlines():
        words = shlex.split(line)
        if "secret" in words:
            name = words[words.index("secret") + 2]
            secrets[name] = set(re.findall(r"--from-literal=(\w[\w-]*)=", line))
    return secrets


def find_references(part: Any, key: str) -> list[Any]:
    """Return every value of a key, at any depth."""
    if isinstance(part, dict):
        own = [part[key]] if key in part else []
        return own + [found for below in part.values() for found in find_references(below, key)]
    if isinstance(part, list):
        return [found for below in part for found in find_references(below, key)]
    return []


def test_the_values_give_what_the_page_promises() -> None:
    """The ingress has the host and its certificate; nothing with state runs in the cluster."""
    manifests = render(VALUES)
    ingress = find(manifests, "Ingress", "predictor")["spec"]
    host = VALUES["predictor"]["ingress"]["host"]
    assert ingress["tls"] == [{"hosts": [host], "secretName": "predictor-tls"}]
    stateful = get_names(manifests, "StatefulSet")
    assert not [name for name in stateful if name.endswith(("-minio", "-postgresql"))]


def test_every_secret_is_created_before_it_is_used() -> None:
    """The page creates each Secret that the values name, with the keys that pods read."""
    created, manifests = read_secrets(), render(VALUES)
    by_chart = {item["metadata"]["name"] for item in manifests if item["kind"] == "Secret"}
    sources = [
        source
        for _, spec in get_pod_specs(manifests)
        for container in get_containers(spec)
        for source in get_secret_sources(spec, container)
    ]
    used = {source["name"] for source in sources}
    used |= {reference["name"] for reference in find_references(manifests, "imagePullSecrets")[0]}
    used |= {tls["secretName"] for tls in find(manifests, "Ingress", "predictor")["spec"]["tls"]}
    assert used - by_chart == set(created)
    for source in sources:
        keys = {item["key"] for item in source.get("items", [])}
        assert source["name"] in by_chart or keys <= created[source["name"]]
    assert created["object-store"] == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert created["predictor-key"] == {"MLOPS_PREDICTOR__API_KEY"}


def test_the_chart_finds_the_images_that_the_page_pushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program builds and pushes every image under the name that the chart pulls."""
    program = re.search(r"<<'END'.*?\n(.*?)^END$", get_block("sh", "docker build"), re.M | re.S)
    assert program is not None
    monkeypatch.setenv("REGISTRY", REGISTRY)
    monkeypatch.setenv("TAG", "0.1.0")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program[1], {})
    lines = [shlex.split(line) for line in printed.getvalue().splitlines()]
    builds, pushes = lines[::2], lines[1::2]
    names = [line[line.index("--tag") + 1] for line in builds]
    assert [line[-1] for line in pushes] == names
    assert len(names) == len(list_artifacts())
    for line, artifact in zip(builds, list_artifacts(), strict=True):
        assert Path(line[line.index("--file") + 1]) == artifact.dockerfile
        assert {f"{key}={value}" for key, value in artifact.arguments.items()} <= set(line)
    manifests = render(VALUES)
    pulled = {
        container["image"]
        for _, spec in get_pod_specs(manifests)
        for container in spec["containers"]
    }
    pulled |= {stage["image"] for stage in get_pods_file(manifests)["stages"].values()}
    assert pulled <= set(names)


def test_helm_accepts_the_values(tmp_path: Path) -> None:
    """`helm lint` and `helm template` run as they are written."""
    helm = find_helm()
    assert helm is not None
    (tmp_path / "school.yaml").write_text(yaml.safe_dump(VALUES))
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    commands = [
        line
        for line in get_block("sh", "helm lint").splitlines()
        if line.startswith(("helm lint", "helm template"))
    ]
    assert len(commands) == 2
    for command in commands:
        result = subprocess.run(
            command.replace("helm", helm, 1),
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "rendered.yaml").stat().st_size > 10_000
