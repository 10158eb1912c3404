"""The images that skaffold.yaml lists: built, and tagged by what is in them.

An image's tag is its id, which Docker derives from its bytes (and those do not depend on when it is built, see
images/layers.py). So `helm upgrade` restarts the pods whose image changed, and no others.
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

from images.layers import code_of
from k8s.process import ROOT, ClusterError, run, tail
from pipeline.console import echo

BUILDS_AT_A_TIME = 2
BUILD_SECONDS = 1800
MEMORY = ROOT / "local" / "images.json"
"""What was built last: by artifact, a digest of all that its build reads, and the tag."""


@dataclass(frozen=True)
class Artifact:
    """An image of skaffold.yaml."""

    image: str
    context: Path
    dockerfile: Path
    arguments: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its key in the chart's `images`."""
        return self.image.rpartition("/")[2]


def artifacts() -> list[Artifact]:
    """Every image of skaffold.yaml, in its order; templates in build arguments are left to us (see code_version)."""
    listed: list[dict[str, Any]] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["build"][
        "artifacts"
    ]
    found = []
    for item in listed:
        context, docker = ROOT / item.get("context", "."), item["docker"]
        arguments = {
            name: value for name, value in docker.get("buildArgs", {}).items() if "{{" not in value
        }
        found.append(Artifact(item["image"], context, context / docker["dockerfile"], arguments))
    return found


def modules_of(artifact: Artifact) -> list[str]:
    """The modules whose code the image holds with all they import, as its Dockerfile says."""
    match = re.search(r"layers\.py code (.*)", artifact.dockerfile.read_text())
    text = match[1] if match else ""
    for name, value in artifact.arguments.items():
        text = text.replace(f"${{{name}}}", value)
    return re.sub(r"\$\{\w+\}", "", text).split()  # what has no value is empty


def inputs(artifact: Artifact) -> list[Path]:
    """The files that the image is made from: its Dockerfile, and what that copies; of packages, only what is kept of them."""
    files = {artifact.dockerfile, *(ROOT / file for file in code_of(modules_of(artifact), ROOT))}
    for line in re.findall(
        r"^COPY (?!--)(.*) \S+$", artifact.dockerfile.read_text(), flags=re.MULTILINE
    ):
        for pattern in line.split():
            for path in artifact.context.glob(pattern):
                if path.is_file():
                    files.add(path)
                elif not (path / "__init__.py").exists():
                    files |= {file for file in path.rglob("*") if file.is_file()}
    return sorted(files)


def code_version(artifact: Artifact) -> str:
    """The commit that last changed the code in the image, so that other commits leave the image as it is.

    `-changed-` and a hash follow where the code is not as committed; without git it is `content-` and that hash.
    """
    files = [str(file) for file in sorted(code_of(modules_of(artifact), ROOT))]
    if not files:
        return "unknown"
    content = digest_of(ROOT / file for file in files)[:8]
    commit = run(
        "git", "log", "-1", "--format=%h", "--abbrev=12", "--", *files, check=False
    ).stdout.strip()
    if not commit:
        return f"content-{content}"
    changed = run("git", "status", "--porcelain", "--", *files).stdout.strip()
    return f"{commit}-changed-{content}" if changed else commit


def digest_of(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def build(overrides: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Builds what changed; the images' tags by artifact name. `overrides` are further build arguments, by artifact name.

    Raises:
        ClusterError: a build failed.
    """
    start = time.monotonic()
    remembered: dict[str, list[str]] = json.loads(MEMORY.read_text()) if MEMORY.exists() else {}
    there = set(run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())
    tags: dict[str, str] = {}
    waiting: list[tuple[Artifact, dict[str, str], str]] = []
    for artifact in artifacts():
        arguments = {**artifact.arguments, **overrides.get(artifact.name, {})}
        if "ARG CODE_VERSION" in artifact.dockerfile.read_text():
            arguments["CODE_VERSION"] = code_version(artifact)
        key = hashlib.sha256(
            f"{digest_of(inputs(artifact))} {sorted(arguments.items())}".encode()
        ).hexdigest()
        known, tag = remembered.get(artifact.name, ["", ""])
        if known == key and f"{artifact.image}:{tag}" in there:
            tags[artifact.name] = tag
        else:
            waiting.append((artifact, arguments, key))
    if waiting:
        first, *others = waiting  # it makes the layers that the others share
        with ThreadPoolExecutor(BUILDS_AT_A_TIME) as pool:
            built = [build_one(*first[:2]), *pool.map(lambda item: build_one(*item[:2]), others)]
        for (artifact, _, key), tag in zip(waiting, built, strict=True):
            tags[artifact.name] = tag
            remembered[artifact.name] = [key, tag]
        MEMORY.parent.mkdir(exist_ok=True)
        MEMORY.write_text(
            json.dumps(
                {artifact.name: remembered[artifact.name] for artifact in artifacts()}, indent=2
            )
        )
    echo(
        f"images: {len(waiting)} built in {time.monotonic() - start:.0f} s, {len(tags) - len(waiting)} as they were"
    )
    return tags


def built() -> dict[str, str]:
    """The tags of the images that were built last.

    Raises:
        ClusterError: none were.
    """
    if not MEMORY.exists():
        raise ClusterError("no images were built in this folder; `make up` does")
    return {name: tag for name, (_, tag) in json.loads(MEMORY.read_text()).items()}


def build_one(artifact: Artifact, arguments: Mapping[str, str]) -> str:
    """Builds an image and tags it with the beginning of its id, which other builds of it lose their tags to."""
    start = time.monotonic()
    words = [
        word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")
    ]
    command = (
        "docker",
        "build",
        "--quiet",
        "--file",
        str(artifact.dockerfile),
        *words,
        str(artifact.context),
    )
    done = run(*command, check=False, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        raise ClusterError(
            f"the image {artifact.image} cannot be built:\n{tail(done.stdout + done.stderr, 30)}"
        )
    tag = done.stdout.strip().removeprefix("sha256:")[:12]
    run("docker", "tag", done.stdout.strip(), f"{artifact.image}:{tag}")
    for old in set(
        run("docker", "images", "--format", "{{.Tag}}", artifact.image).stdout.split()
    ) - {tag}:
        run("docker", "image", "rm", f"{artifact.image}:{old}", check=False)
    echo(f"  {artifact.image}:{tag} in {time.monotonic() - start:.0f} s")
    return tag


def image_id(reference: str) -> str:
    """The id of a local image, without `sha256:`; empty if there is none."""
    found = run("docker", "image", "inspect", "--format", "{{.Id}}", reference, check=False)
    return found.stdout.strip().removeprefix("sha256:") if found.returncode == 0 else ""
