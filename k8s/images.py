"""Build the images that skaffold.yaml lists, and tag them by their content.

An image's tag is the start of its id, which Docker derives from its bytes. These do not depend on
the time of the build (see images/layers.py), so `helm upgrade` restarts only the pods whose image
changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from images.layers import find_code
from k8s.process import ROOT, ClusterError, indent_tail, run
from pipeline.console import echo

PARALLEL_BUILDS = 2
BUILD_TIMEOUT_SECONDS = 1800
OPTIONAL = {"oauth2-proxy": ("auth", "oidc", "issuer")}
"""Artifacts that the chart uses only if one of its values is set, and the path of the value."""
RECORD = ROOT / "local" / "images.json"
"""The last builds: for each artifact a digest of everything the build reads, and the tag."""


@dataclass(frozen=True)
class Artifact:
    """An image of skaffold.yaml."""

    image: str
    context: Path
    dockerfile: Path
    arguments: Mapping[str, str]

    @property
    def name(self) -> str:
        """The image's key in the chart's `images`."""
        return self.image.rpartition("/")[2]


@dataclass(frozen=True)
class Build:
    """A build that is due: its arguments, and the digest of everything it reads."""

    artifact: Artifact
    arguments: Mapping[str, str]
    digest: str


def list_artifacts() -> list[Artifact]:
    """Return the images of skaffold.yaml, in its order, without its templated build arguments."""
    skaffold = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    listed: list[dict[str, Any]] = skaffold["build"]["artifacts"]
    artifacts = []
    for item in listed:
        context, docker = ROOT / item.get("context", "."), item["docker"]
        arguments = {
            name: value for name, value in docker.get("buildArgs", {}).items() if "{{" not in value
        }
        dockerfile = context / docker["dockerfile"]
        artifacts.append(Artifact(item["image"], context, dockerfile, arguments))
    return artifacts


def list_needed_artifacts(values: Mapping[str, Any]) -> list[Artifact]:
    """Return the images that the chart uses with values that override its own."""
    needed = []
    for artifact in list_artifacts():
        value: Any = {**values}
        for key in OPTIONAL.get(artifact.name, ()):
            value = (value or {}).get(key)
        if value or artifact.name not in OPTIONAL:
            needed.append(artifact)
    return needed


def get_base_tags(artifact: Artifact) -> dict[str, str]:
    """Return the Dockerfile's arguments that name an image by its digest, without the digest."""
    text = artifact.dockerfile.read_text()
    return dict(re.findall(r"^ARG (\w+)=(\S+)@sha256:\w+$", text, flags=re.MULTILINE))


def list_modules(artifact: Artifact) -> list[str]:
    """Return the modules that the Dockerfile passes to `layers.py code`."""
    text = artifact.dockerfile.read_text().replace("\\\n", " ")
    match = re.search(r"layers\.py code (.*)", text)
    text = match[1] if match else ""
    return substitute(text, artifact.arguments).split()


def substitute(text: str, arguments: Mapping[str, str]) -> str:
    """Return text with `${NAME}` and `${NAME:-default}` replaced, as a shell does."""
    pattern = r"\$\{(\w+)(?::-([^{}]*))?\}"
    while re.search(pattern, text):  # a default may contain another variable
        text = re.sub(pattern, lambda match: arguments.get(match[1]) or match[2] or "", text)
    return text


def list_inputs(artifact: Artifact) -> list[Path]:
    """Return the files that determine the image: its Dockerfile and what ends up in the image.

    Of a copied Python package these are only the files that the image's modules import.
    """
    code = find_code(list_modules(artifact), ROOT)
    files = {artifact.dockerfile, *(ROOT / file for file in code)}
    text = artifact.dockerfile.read_text()
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, flags=re.MULTILINE):
        for pattern in line.split():
            for path in artifact.context.glob(pattern):
                if path.is_file():
                    files.add(path)
                elif not (path / "__init__.py").exists():
                    files |= {file for file in path.rglob("*") if file.is_file()}
    return sorted(files)


def get_code_version(artifact: Artifact) -> str:
    """Return the version of the code in the image: the last commit that changed it.

    Other commits leave the version, and so the image, as it is. `-changed-` and a hash follow if
    the code differs from that commit; without git, the version is `content-` and that hash.
    """
    files = [str(file) for file in sorted(find_code(list_modules(artifact), ROOT))]
    if not files:
        return "unknown"
    content = hash_files(ROOT / file for file in files)[:8]
    log = run("git", "log", "-1", "--format=%h", "--abbrev=12", "--", *files, check=False)
    commit = log.stdout.strip()
    if not commit:
        return f"content-{content}"
    changed = run("git", "status", "--porcelain", "--", *files).stdout.strip()
    return f"{commit}-changed-{content}" if changed else commit


def hash_files(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the files' names and contents."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def build(
    artifacts: Iterable[Artifact], overrides: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Build the images whose inputs changed since the last build.

    Args:
        artifacts: The images.
        overrides: Further build arguments, by artifact name.

    Returns:
        The tag of each of the images, by artifact name.

    Raises:
        ClusterError: If a build failed.
    """
    start = time.monotonic()
    record = _read_record()
    listed = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout
    present = set(listed.split())
    tags: dict[str, str] = {}
    due: list[Build] = []
    for artifact in artifacts:
        planned = plan(artifact, overrides.get(artifact.name, {}))
        digest, tag = record.get(artifact.name, ("", ""))
        if digest == planned.digest and f"{artifact.image}:{tag}" in present:
            tags[artifact.name] = tag
        else:
            due.append(planned)
    if due:
        first, *others = due  # the first one builds the layers that the others share
        with ThreadPoolExecutor(PARALLEL_BUILDS) as pool:
            new_tags = [build_image(first), *pool.map(build_image, others)]
        for planned, tag in zip(due, new_tags, strict=True):
            tags[planned.artifact.name] = tag
            record[planned.artifact.name] = (planned.digest, tag)
        RECORD.parent.mkdir(exist_ok=True)
        names = [artifact.name for artifact in list_artifacts() if artifact.name in record]
        RECORD.write_text(json.dumps({name: record[name] for name in names}, indent=2))
    seconds = time.monotonic() - start
    echo(f"images: {len(due)} built in {seconds:.0f} s, {len(tags) - len(due)} unchanged")
    return tags


def plan(artifact: Artifact, overrides: Mapping[str, str]) -> Build:
    """Return the build of an artifact with these further build arguments."""
    arguments = {**artifact.arguments, **overrides}
    if "ARG CODE_VERSION" in artifact.dockerfile.read_text():
        arguments["CODE_VERSION"] = get_code_version(artifact)
    inputs = f"{hash_files(list_inputs(artifact))} {sorted(arguments.items())}"
    return Build(artifact, arguments, hashlib.sha256(inputs.encode()).hexdigest())


def _read_record() -> dict[str, tuple[str, str]]:
    if not RECORD.exists():
        return {}
    return {name: (digest, tag) for name, (digest, tag) in json.loads(RECORD.read_text()).items()}


def get_built_tags() -> dict[str, str]:
    """Return the tags of the images that were built last, by artifact name.

    Raises:
        ClusterError: If no images have been built in this folder.
    """
    if not RECORD.exists():
        raise ClusterError("No images have been built in this folder. `make up` builds them.")
    return {name: tag for name, (_, tag) in _read_record().items()}


def build_image(planned: Build) -> str:
    """Build an image, tag it with the first 12 digits of its id, and remove its older tags.

    Returns:
        The tag.

    Raises:
        ClusterError: If the build failed. The message has the end of its output.
    """
    start = time.monotonic()
    image = planned.artifact.image
    command = ["docker", "build", "--quiet", "--file", str(planned.artifact.dockerfile)]
    for name, value in planned.arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    built = run(
        *command,
        planned.artifact.context,
        check=False,
        timeout_seconds=BUILD_TIMEOUT_SECONDS,
    )
    if built.returncode != 0:
        raise ClusterError(
            f"The build of {image} failed:\n{indent_tail(built.stdout + built.stderr, 30)}"
        )
    image_id = built.stdout.strip()
    tag = image_id.removeprefix("sha256:")[:12]
    run("docker", "tag", image_id, f"{image}:{tag}")
    tags = run("docker", "images", "--format", "{{.Tag}}", image).stdout.split()
    for old in set(tags) - {tag}:
        run("docker", "image", "rm", f"{image}:{old}", check=False)
    echo(f"  {image}:{tag} in {time.monotonic() - start:.0f} s")
    return tag
