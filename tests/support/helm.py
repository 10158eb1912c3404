"""Renders the chart with `helm template`, and finds things in the manifests."""

from __future__ import annotations

import functools
import json
import pickle
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


class UniqueKeyLoader(yaml.CSafeLoader):
    """YAML loader that refuses a mapping with the same key twice, as kustomize does."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping.

        Raises:
            AssertionError: If a key occurs twice.
        """
        keys = [key.value for key, _ in node.value]
        repeated = {key for key in keys if keys.count(key) > 1}
        assert not repeated, f"{node.start_mark}: {repeated} occur twice"
        return super().construct_mapping(node, deep)


def find_helm() -> str | None:
    """Return helm's path: on PATH, or where `make tools` installs it."""
    return shutil.which("helm") or shutil.which("helm", path=str(ROOT / "local" / "tools"))


def run_helm(*arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, and pass values as a file would."""
    options = ["--values=-"] if values else []
    return subprocess.run(
        [find_helm() or "helm", *arguments, *options],
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
    manifests: list[Manifest] = pickle.loads(
        _render(json.dumps(values or {}), release, file, chart)
    )
    return manifests


@functools.cache
def _render(values: str, release: str, file: str | None, chart: Path) -> bytes:
    """Render a release, and return its manifests as a pickle, which is read faster than YAML."""
    files = [f"--values={chart / file}"] if file else []
    process = run_helm(
        "template", release, str(chart), "--namespace", NAMESPACE, *files, values=json.loads(values)
    )
    assert process.returncode == 0, process.stderr
    return pickle.dumps(list(yaml.load_all(process.stdout, Loader=UniqueKeyLoader)))


def get_refusal(values: Values) -> str:
    """Return the message with which helm refuses the values."""
    process = run_helm("template", RELEASE, str(CHART), values=values)
    assert process.returncode != 0, "helm accepted the values"
    return process.stderr


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the manifest with that kind and with `name` after the release's name.

    Raises:
        AssertionError: If there is none.
    """
    full_name = f"{RELEASE}-{name}" if name else RELEASE
    for manifest in manifests:
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, full_name):
            return manifest
    raise AssertionError(f"no {kind} {full_name} among {get_names(manifests, kind)}")


def get_names(manifests: list[Manifest], kind: str) -> list[str]:
    """Return the names of all manifests of a kind."""
    return [item["metadata"]["name"] for item in manifests if item["kind"] == kind]


def get_pods_file(manifests: list[Manifest]) -> Any:
    """Return the content of the file that tells the DAGs about the stages' pods."""
    return json.loads(find(manifests, "ConfigMap", "pods")["data"]["pods.json"])


def get_by_hand_pod(manifests: list[Manifest], name: str = "pod") -> Any:
    """Return the pod for the commands that people run: `pod`, or `erasure` for `subject`."""
    return json.loads(find(manifests, "ConfigMap", "by-hand")["data"][f"{name}.json"])


def get_pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the name and the spec of every pod that the manifests create, hooks included."""
    for item in manifests:
        if pod := get_pod(item):
            yield item["metadata"]["name"], pod["spec"]


def get_pod(manifest: Manifest) -> Manifest | None:
    """Return the pod of a manifest, or the template of the pods that it creates, if any."""
    if manifest["kind"] == "Pod":
        return manifest
    spec = manifest.get("spec", {})
    template: Manifest | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return template


def get_containers(spec: Manifest) -> list[Manifest]:
    """Return all containers of a pod, init containers first."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def get_container(workload: Manifest) -> Manifest:
    """Return the container of a workload: the first one, if others serve it."""
    container: Manifest = workload["spec"]["template"]["spec"]["containers"][0]
    return container


def get_variables(container: Manifest) -> dict[str, Any]:
    """Return a container's own variables: name -> value, or where the value comes from."""
    return {
        item["name"]: item.get("value", item.get("valueFrom")) for item in container.get("env", [])
    }


def get_secret_sources(spec: Manifest, container: Manifest) -> list[Manifest]:
    """Return the Secrets whose files a container reads as variables.

    Args:
        spec: Spec of the pod.
        container: One of its containers.

    Returns:
        Sources of the projected volume: the name of the Secret, and `items` for some keys only.
    """
    folder = get_variables(container).get("MLOPS_SECRETS_FOLDER")
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    if folder is None:
        return []
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == mounts[folder])
    return [source["secret"] for source in volume["projected"]["sources"]]


def get_secret_names(spec: Manifest, container: Manifest) -> list[str]:
    """Return the names of these Secrets."""
    return [source["name"] for source in get_secret_sources(spec, container)]


def get_secret_keys(spec: Manifest, container: Manifest) -> dict[str, tuple[str, str]]:
    """Return the variables from chosen keys: name -> name of the Secret and key."""
    return {
        item["path"]: (source["name"], item["key"])
        for source in get_secret_sources(spec, container)
        for item in source.get("items", [])
    }
