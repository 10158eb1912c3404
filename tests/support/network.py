"""Who can talk to whom under the chart's NetworkPolicies, as an analyzer of Kubernetes' semantics works it out.

The analyzer (network-config-analyzer, of PyPI) is run in an environment of its own, since it pins old versions of packages.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from dags.pod_spec import build_labels
from pipeline.stages import STAGES
from tests.support.helm import NAMESPACE, RELEASE, ROOT, Manifest, find

ANALYZER = "network-config-analyzer==2.1.0"
OVERRIDES = "lxml>=5.3\n"  # its pin has no wheel for newer Pythons

ADDRESSES = {
    "internet": "198.51.100.7",
    "metadata": "169.254.169.254",
    "kubernetes": "10.96.0.1",
    "neighbour": "192.168.7.7",
    "elsewhere": "192.0.2.10",
}
"""What lies outside of the cluster's pods: a public server, the node's cloud metadata, the Kubernetes API, another machine of the
private network, and where the scenario `external` has its services."""

Connection = tuple[str, str, str]
"""From whom, to whom, on which ports."""


def find_uv() -> str | None:
    """uv on PATH, or where the Makefile puts it."""
    return shutil.which("uv") or shutil.which(
        "uv", path=str(ROOT / "local" / "tools" / "uv" / "bin")
    )


def connections(manifests: list[Manifest]) -> set[Connection]:
    """Every connection that the policies of a release allow, but for those among strangers.

    Pods are called by their component (`mlflow`, `test`) or stage (`stage train`), the cluster's DNS `dns`, a pod of another
    namespace `stranger`, a pod of the release's namespace that is not of the release `guest`, addresses as in ADDRESSES.
    """
    pods = dict(all_pods(manifests))
    policies = [
        {**item, "metadata": {**item["metadata"], "namespace": NAMESPACE}}
        for item in manifests
        if item["kind"] == "NetworkPolicy"
    ]
    found = set()
    for line in analyze([*cluster(pods), *policies]).splitlines():
        if match := re.fullmatch(r"(\S+) => (\S+) : (.*)", line):
            for source in called(match[1]):
                for target in called(match[2]):
                    found.add((source, target, ports(match[3])))
    strangers = {"dns", "stranger", "guest", *ADDRESSES}
    return {item for item in found if not {item[0], item[1]} <= strangers}


def all_pods(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, str]]]:
    """The labels of the pods that the manifests make, and of those that the DAGs make, by what they are called."""
    for item in manifests:
        template = item if item["kind"] == "Pod" else item.get("spec", {}).get("template")
        if template:
            labels = template["metadata"]["labels"]
            yield labels["app.kubernetes.io/component"], labels
    if any(item["metadata"]["name"] == f"{RELEASE}-pods" for item in manifests):
        given = json.loads(find(manifests, "ConfigMap", "pods")["data"]["pods.json"])
        for stage in STAGES:
            yield f"stage-{stage.name}", build_labels(stage, given)


def cluster(pods: dict[str, dict[str, str]]) -> list[Manifest]:
    """Namespaces and pods: the release's and those around it."""
    placed = [(NAMESPACE, name, labels) for name, labels in pods.items()]
    around = [
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
        for namespace, name, labels in placed + around
    ]


def analyze(resources: list[Manifest]) -> str:
    """The analyzer's answer: a line for each pair that can connect."""
    return _analyzed(yaml.dump_all(resources, Dumper=yaml.CSafeDumper))


@functools.cache
def _analyzed(text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        resources, overrides = Path(folder, "resources"), Path(folder, "overrides.txt")
        resources.mkdir()
        (resources / "all.yaml").write_text(text)
        overrides.write_text(OVERRIDES)
        tool = [
            str(find_uv()),
            "tool",
            "run",
            "--quiet",
            f"--python={sys.executable}",
            f"--overrides={overrides}",
        ]
        command = [
            *tool,
            f"--from={ANALYZER}",
            "nca",
            "--connectivity",
            "-r",
            str(resources),
            "-o",
            "txt_no_fw_rules",
        ]
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        answer = subprocess.run(
            command, text=True, capture_output=True, check=False, env=environment
        )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def called(place: str) -> list[str]:
    """The name of a pod, or of the addresses that lie in a range, of the analyzer's answer."""
    if match := re.fullmatch(r"[^/]+/([^/]+)\[Pod\]", place):
        return [match[1].replace("stage-", "stage ")]
    first, _, last = place.partition("-")
    low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
    return [
        name
        for name, address in ADDRESSES.items()
        if int(low) <= int(ipaddress.ip_address(address)) <= int(high)
    ]


def ports(said: str) -> str:
    """The analyzer's `{protocols:TCP,dst_ports:443}` as `443`; `all` for any."""
    return ",".join(re.findall(r"dst_ports:([\d,-]+)", said)) or "all"
