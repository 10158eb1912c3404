"""Publish the images and the chart of a version, signed, to a registry.

`cosign` signs without a stored key: the signature names the workflow that made it.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from k8s.process import ClusterError, read_output, run
from k8s.release import CHART
from k8s.sbom import FOLDER
from pipeline.console import echo

PUSH_TIMEOUT_SECONDS = 1800


def publish(registry: str, version: str) -> None:
    """Push and sign every image that has a bill of materials, then a chart that names them.

    Args:
        registry: Where to push to, such as `ghcr.io/school`.
        version: The version of the images and of the chart, such as `1.2.0`.

    Raises:
        ClusterError: If there are no bills of materials, or a program failed.
    """
    files = sorted(FOLDER.glob("*.cdx.json"))
    if not files:
        raise ClusterError(f"{FOLDER} is empty. `make sbom` fills it.")
    digests = {}
    for file in files:
        name = file.name.removesuffix(".cdx.json")
        component = json.loads(file.read_text())["metadata"]["component"]
        image = f"{registry}/student-mlops/{name}"
        digests[name] = push_image(f"{component['name']}:{component['version']}", image, version)
        run("cosign", "sign", "--yes", f"{image}@{digests[name]}")
        attest = ("cosign", "attest", "--yes", "--type", "cyclonedx", "--predicate")
        run(*attest, file, f"{image}@{digests[name]}")
        echo(f"{image}:{version}@{digests[name]} pushed and signed")
    chart = push_chart(registry, version, digests)
    run("cosign", "sign", "--yes", chart)
    echo(f"{chart} pushed and signed")


def push_image(local: str, image: str, version: str) -> str:
    """Push an image of the local Docker under another name, and return its digest."""
    run("docker", "tag", local, f"{image}:{version}")
    run("docker", "push", "--quiet", f"{image}:{version}", timeout_seconds=PUSH_TIMEOUT_SECONDS)
    inspect = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")
    return find_digest(read_output(*inspect, f"{image}:{version}"))


def push_chart(registry: str, version: str, digests: Mapping[str, str]) -> str:
    """Push the chart with the registry and the digests of the images in its values.

    Returns:
        The chart, with its digest.
    """
    with tempfile.TemporaryDirectory(prefix="chart-") as folder:
        chart = Path(folder, CHART.name)
        shutil.copytree(CHART, chart)
        values = chart / "values.yaml"
        values.write_text(set_images(values.read_text(), registry, digests))
        package = ("helm", "package", chart, "--destination", folder)
        run(*package, "--version", version, "--app-version", version)
        archive = Path(folder, f"{CHART.name}-{version}.tgz")
        pushed = run("helm", "push", archive, f"oci://{registry}/charts")
    return f"{registry}/charts/{CHART.name}@{find_digest(pushed.stdout + pushed.stderr)}"


def set_images(values: str, registry: str, digests: Mapping[str, str]) -> str:
    """Set `image.registry`, and the digest of each image, in the text of the chart's values.

    Raises:
        ClusterError: If the text has no place for one of them.
    """
    replacements = {r"^(  registry: )localhost$": rf"\g<1>{registry}"}
    for name, digest in digests.items():
        repository = rf"^(  {name}: {{repository: student-mlops/{name})}}$"
        replacements[repository] = rf"\g<1>, digest: {digest}}}"
    for pattern, replacement in replacements.items():
        values, count = re.subn(pattern, replacement, values, flags=re.MULTILINE)
        if count != 1:
            raise ClusterError(f"values.yaml has {count} lines {pattern!r}; expected one.")
    return values


def find_digest(output: str) -> str:
    """Return the digest in what a program printed.

    Raises:
        ClusterError: If there is none.
    """
    match = re.search(r"sha256:[0-9a-f]{64}", output)
    if match is None:
        raise ClusterError(f"A digest is missing in: {output.strip()!r}")
    return match[0]
