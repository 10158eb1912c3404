"""Write a software bill of materials of each image, in CycloneDX 1.5.

It lists what the image contains: the packages of uv.lock, the Debian packages of the base image,
other Python packages, and the modules of Go programs.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import quote

import yaml

from k8s.image_contents import Contents, read_image
from k8s.images import Artifact, list_artifacts
from k8s.process import ROOT, ClusterError, read_output
from k8s.release import CHART
from pipeline.console import echo

FOLDER = ROOT / "local" / "sbom"

Component = dict[str, Any]

EMPTY: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {},
    "components": [],
}
"""A document of an image without packages of uv.lock."""


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the bill of materials of each image of the platform.

    Those of skaffold.yaml must be in the local Docker. Others that the chart uses are pulled.

    Args:
        folder: Where to write NAME.cdx.json for each image.

    Returns:
        The files.

    Raises:
        ClusterError: If an image is missing, or its packages are not those of uv.lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for artifact in list_artifacts():
        reference = find_image(artifact)
        contents = read_image(reference)
        document = describe(artifact, reference, contents)
        files.append(write_file(folder, artifact.name, document, contents))
    for name, reference in list_other_images().items():
        if not read_output("docker", "image", "ls", "--quiet", reference):
            read_output("docker", "pull", "--quiet", reference)
        contents = read_image(reference)
        files.append(write_file(folder, name, describe_other(reference, contents), contents))
    return files


def write_file(folder: Path, name: str, document: dict[str, Any], contents: Contents) -> Path:
    """Write a bill of materials, report what it lists, and return the file."""
    file = folder / f"{name}.cdx.json"
    file.write_text(json.dumps(document, indent=1))
    counts = {
        "of uv.lock": len(contents.locked),
        "other Python": len(contents.python),
        "Debian": len(contents.debian),
        "Go": len(contents.go),
    }
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    echo(f"{file}: {listed}")
    return file


def list_other_images() -> dict[str, str]:
    """Return the chart's images that nobody builds here, by name: REGISTRY/REPOSITORY@DIGEST."""
    images = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
    return {
        name: f"{image['registry']}/{image['repository']}@{image['digest']}"
        for name, image in images.items()
        if "registry" in image
    }


def find_image(artifact: Artifact) -> str:
    """Return the newest image of an artifact in the local Docker.

    Raises:
        ClusterError: If there is none.
    """
    listed = read_output(
        "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", artifact.image
    )
    for reference in listed.split():
        if not reference.endswith(":<none>"):
            return reference
    raise ClusterError(
        f"The local Docker has no image {artifact.image}. "
        "`python -m k8s images` and `skaffold build` build it."
    )


def describe(artifact: Artifact, reference: str, contents: Contents) -> dict[str, Any]:
    """Return the bill of materials of an image.

    Args:
        artifact: The artifact that the image was built from.
        reference: The image, REPOSITORY:TAG.
        contents: The software in the image.

    Returns:
        A CycloneDX document.

    Raises:
        ClusterError: If the virtual environment has other packages than uv.lock.
    """
    check_lock(reference, contents.locked)
    exported = export_lock(artifact)
    locked = [item for item in exported["components"] if item["name"] in contents.locked]
    for item in locked:
        item.pop("externalReferences", None)  # uv.lock has the addresses and hashes of all wheels
    extra = contents.locked.keys() - {item["name"] for item in locked}  # a build argument's groups
    locked += [make_python_package(name, contents.locked[name]) for name in sorted(extra)]
    components = [*locked, *list_others(contents)]
    kept = {item["bom-ref"] for item in components}
    name, _, tag = reference.rpartition(":")
    exported["metadata"]["component"] = make_container(reference, name, tag)
    dependencies = [item for item in exported.get("dependencies", ()) if item["ref"] in kept]
    for item in dependencies:
        item["dependsOn"] = [ref for ref in item.get("dependsOn", ()) if ref in kept]
    return exported | {"components": components, "dependencies": dependencies}


def describe_other(reference: str, contents: Contents) -> dict[str, Any]:
    """Return the bill of materials of an image that has no packages of uv.lock.

    Args:
        reference: The image, REGISTRY/REPOSITORY@DIGEST.
        contents: The software in the image.

    Returns:
        A CycloneDX document.
    """
    container = make_container(reference, *reference.split("@"))
    return {
        **EMPTY,
        "metadata": {"component": container},
        "components": [*list_others(contents)],
    }


def get_group_option(artifact: Artifact) -> list[str] | None:
    """Return uv's option for the packages of an image; None if it has none of uv.lock."""
    if stage := artifact.arguments.get("STAGE"):
        return ["--group", stage]
    named = re.findall(r"(--(?:only-)?group) ([a-z]\w*)", artifact.dockerfile.read_text())
    return list(named[-1]) if named else None


def export_lock(artifact: Artifact) -> dict[str, Any]:
    """Return the packages of uv.lock that the Dockerfile installs, as CycloneDX."""
    option = get_group_option(artifact)
    if option is None:
        return copy.deepcopy(EMPTY)
    uv = which("uv") or str(ROOT / "local" / "tools" / "uv" / "bin" / "uv")
    command = [uv, "export", "--quiet", "--frozen", "--no-default-groups"]
    exported: dict[str, Any] = json.loads(
        read_output(*command, *option, "--format", "cyclonedx1.5")
    )
    return exported


def check_lock(reference: str, found: Mapping[str, str]) -> None:
    """Check that each package of a virtual environment has a version of uv.lock.

    Raises:
        ClusterError: If one has not.
    """
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {(item["name"], item.get("version")) for item in lock["package"]}
    other = [
        f"{name} {version}" for name, version in found.items() if (name, version) not in locked
    ]
    if other:
        raise ClusterError(
            f"{reference} has packages that uv.lock lacks: {', '.join(other)}. Build it again."
        )


def list_others(contents: Contents) -> Iterator[Component]:
    """Yield the components of an image that do not come from uv.lock."""
    system = contents.system
    if system:
        yield {
            "type": "operating-system",
            "bom-ref": f"os:{system['ID']}@{system.get('VERSION_ID', '')}",
            "name": system["ID"],
            "version": system.get("VERSION_ID", ""),
            "description": system.get("PRETTY_NAME", ""),
        }
    for package in contents.debian:
        yield describe_debian_package(package, f"{system['ID']}-{system.get('VERSION_ID', '')}")
    for name, version in sorted(set(contents.python)):
        if contents.locked.get(name) != version:
            yield make_python_package(name, version)
    for name, version in contents.go:
        yield make_library(name, version, f"pkg:golang/{name}@{quote(version, safe='')}")


def describe_debian_package(package: dict[str, str], distribution: str) -> Component:
    """Return a Debian package as a component; advisories name its source package."""
    version = package["Version"]
    source, _, source_version = package.get("Source", package["Package"]).partition(" ")
    source_version = source_version.strip("()") or version
    qualifiers = {
        "arch": package["Architecture"],
        "distro": distribution,
        "upstream": f"{source}@{source_version}",
    }
    listed = "&".join(f"{key}={quote(value, safe='')}" for key, value in qualifiers.items())
    purl = f"pkg:deb/debian/{package['Package']}@{quote(version, safe='~')}?{listed}"
    properties = {  # where Grype looks for the source package
        "syft:package:metadataType": "dpkg-db-entry",
        "syft:metadata:source": source,
        "syft:metadata:sourceVersion": source_version,
    }
    component = make_library(package["Package"], version, purl)
    component["properties"] = [{"name": key, "value": value} for key, value in properties.items()]
    return component


def make_container(reference: str, name: str, version: str) -> Component:
    return {"type": "container", "bom-ref": reference, "name": name, "version": version}


def make_python_package(name: str, version: str) -> Component:
    return make_library(name, version, f"pkg:pypi/{name}@{quote(version, safe='')}")


def make_library(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
