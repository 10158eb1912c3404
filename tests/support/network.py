"""Works out which connections the chart's network policies allow.

network-config-analyzer (on PyPI) implements the semantics of Kubernetes. It pins old versions of
its dependencies, so that uv runs it in its own environment.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from dags.pod_spec import build_labels
from pipeline.stages import COMMAND_TASKS, STAGES
from tests.support.helm import (
    NAMESPACE,
    Manifest,
    get_by_hand_pod,
    get_names,
    get_pod,
    get_pods_file,
)
from tests.support.uv import find_uv

ANALYZER = "network-config-analyzer==2.1.0"
OVERRIDES = "lxml>=5.3\n"  # the version that it pins has no wheel for newer Pythons

ADDRESSES = {
    "internet": "198.51.100.7",
    "metadata": "169.254.169.254",
    "kubernetes": "10.96.0.1",
    "neighbour": "192.168.7.7",
    "elsewhere": "192.0.2.10",
}
"""Addresses outside the cluster's pods: a public server, the cloud's metadata service, the
Kubernetes API, a machine in the private network, and the external services of the scenario
`external`."""

OUTSIDERS = ("dns", "stranger", "guest", *ADDRESSES)
"""Everything that is not a pod of the release; see `get_connections`."""

Connection = tuple[str, str, str]
"""Source, destination and ports."""


def get_connections(manifests: list[Manifest]) -> set[Connection]:
    """Return every connection from or to a pod of the release that its policies allow.

    Pods are named after their component (`mlflow`, `test`), their stage or command (`stage train`,
    `stage stop`) or `by-hand`. Outside the release are `dns`, the cluster's DNS server, `stranger`,
    a pod of another namespace, `guest`, another pod of the release's namespace, and the names in
    ADDRESSES.
    """
    pods = dict(get_pod_labels(manifests))
    policies = [
        {**item, "metadata": {**item["metadata"], "namespace": NAMESPACE}}
        for item in manifests
        if item["kind"] == "NetworkPolicy"
    ]
    connections = set()
    for line in analyze([*make_cluster(pods), *policies]).splitlines():
        if match := re.fullmatch(r"(\S+) => (\S+) : (.*)", line):
            for source in get_endpoints(match[1]):
                for target in get_endpoints(match[2]):
                    connections.add((source, target, get_ports(match[3])))
    return {item for item in connections if not {item[0], item[1]} <= set(OUTSIDERS)}


def get_pod_labels(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the labels of every pod that the manifests, the DAGs or people create."""
    for item in manifests:
        if pod := get_pod(item):
            labels = pod["metadata"]["labels"]
            yield labels["app.kubernetes.io/component"], labels
    config_maps = get_names(manifests, "ConfigMap")
    if any(name.endswith("-pods") for name in config_maps):
        for task in (*STAGES, *COMMAND_TASKS):
            yield f"stage-{task.name}", build_labels(task, get_pods_file(manifests))
    if any(name.endswith("-by-hand") for name in config_maps):
        yield "by-hand", get_by_hand_pod(manifests)["metadata"]["labels"]


def make_cluster(pods: dict[str, dict[str, str]]) -> list[Manifest]:
    """Return namespaces and pods: those of the release, and outsiders."""
    placed = [(NAMESPACE, name, labels) for name, labels in pods.items()]
    outsiders = [
        ("kube-system", "dns", {"k8s-app": "kube-dns"}),
        ("other", "stranger", {}),
        (NAMESPACE, "guest", {"app": "x"}),
    ]
    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        }
        for name in (NAMESPACE, "kube-system", "other")
    ]
    return namespaces + [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"containers": [{"name": "main", "image": "main"}]},
        }
        for namespace, name, labels in placed + outsiders
    ]


def analyze(resources: list[Manifest]) -> str:
    """Return the analyzer's output: one line for each pair that can connect."""
    return _analyze(yaml.dump_all(resources, Dumper=yaml.CSafeDumper))


@functools.cache
def _analyze(text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        resources, overrides = Path(folder, "resources"), Path(folder, "overrides.txt")
        resources.mkdir()
        (resources / "all.yaml").write_text(text)
        overrides.write_text(OVERRIDES)
        tool = [str(find_uv()), "tool", "run", "--quiet", f"--python={sys.executable}"]
        options = ["--connectivity", "-r", str(resources), "-o", "txt_no_fw_rules"]
        process = subprocess.run(
            [*tool, f"--overrides={overrides}", f"--from={ANALYZER}", "nca", *options],
            text=True,
            capture_output=True,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        )
    assert process.returncode == 0, process.stderr
    return process.stdout


def get_endpoints(place: str) -> list[str]:
    """Return the name of a pod in the analyzer's output, or the names of a range's addresses."""
    if match := re.fullmatch(r"[^/]+/([^/]+)\[Pod\]", place):
        return [match[1].replace("stage-", "stage ")]
    first, _, last = place.partition("-")
    low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
    return [
        name
        for name, address in ADDRESSES.items()
        if low.version == 4 and int(low) <= int(ipaddress.ip_address(address)) <= int(high)
    ]


def get_ports(text: str) -> str:
    """Return the ports in the analyzer's `{protocols:TCP,dst_ports:443}`, or `all`."""
    return ",".join(re.findall(r"dst_ports:([\d,-]+)", text)) or "all"
