"""Renders the chart, once for each set of values, and finds things in what comes out."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "student-mlops"
RELEASE, NAMESPACE = "student-mlops", "school"

Manifest = dict[str, Any]
Values = dict[str, Any]


def find_helm() -> str | None:
    """helm on PATH, or where `make tools` puts it."""
    return shutil.which("helm") or shutil.which("helm", path=str(ROOT / "local" / "tools"))


def run_helm(*arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """helm's answer; values go in as a file's would."""
    given = ["--values=-"] if values else []
    return subprocess.run(
        [find_helm() or "helm", *arguments, *given],
        input=json.dumps(values),
        text=True,
        capture_output=True,
        check=False,
    )


def render(
    values: Values | None = None,
    release: str = RELEASE,
    file: str | None = None,
    chart: Path = CHART,
) -> list[Manifest]:
    """Render all manifests of a release, hooks included.

    Args:
        values: Values that override those of the chart and of `file`.
        release: Name of the release.
        file: Name of a values file in the chart.
        chart: Folder of the chart.
    """
    text = _render(json.dumps(values or {}), release, file, chart)
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


@functools.cache
def _render(values: str, release: str, file: str | None, chart: Path) -> str:
    files = [f"--values={chart / file}"] if file else []
    answer = run_helm(
        "template", release, str(chart), "--namespace", NAMESPACE, *files, values=json.loads(values)
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def refusal(values: Values) -> str:
    """Why helm refuses these values."""
    answer = run_helm("template", RELEASE, str(CHART), values=values)
    assert answer.returncode != 0, "the values were taken"
    return answer.stderr


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The manifest of that kind whose name is `name` after the release's; AssertionError if there is none."""
    wanted = f"{RELEASE}-{name}" if name else RELEASE
    found = [
        item for item in manifests if (item["kind"], item["metadata"]["name"]) == (kind, wanted)
    ]
    assert found, f"there is no {kind} {wanted}: {names(manifests, kind)}"
    return found[0]


def names(manifests: list[Manifest], kind: str) -> list[str]:
    """The names of all manifests of a kind."""
    return [item["metadata"]["name"] for item in manifests if item["kind"] == kind]


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The name and the spec of every pod that the manifests make, hooks too."""
    for item in manifests:
        if item["kind"] == "Pod":
            yield item["metadata"]["name"], item["spec"]
        elif "template" in item.get("spec", {}):
            yield item["metadata"]["name"], item["spec"]["template"]["spec"]


def containers(spec: Manifest) -> list[Manifest]:
    """All containers of a pod, init containers first."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def container(manifest: Manifest) -> Manifest:
    """The one container that a workload runs."""
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    found: Manifest = only
    return found


def variables(holder: Manifest) -> dict[str, Any]:
    """A container's own variables: name -> value, or where it is read from."""
    return {
        item["name"]: item.get("value", item.get("valueFrom")) for item in holder.get("env", [])
    }
