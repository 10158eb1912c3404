"""Read what software an image of the local Docker contains."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from shutil import copyfileobj
from typing import IO

from k8s.process import ClusterError, read_output, run

METADATA = re.compile(r".*/[^/]+\.dist-info/METADATA")
LOCKED = re.compile(r"app/\.venv/lib/python[\d.]+/site-packages/[^/]+/METADATA")
DEBIAN_FOLDER = "usr/lib/python3/dist-packages/"
"""Python packages of Debian packages, which list them."""


@dataclass
class Contents:
    """The software in an image."""

    system: dict[str, str] = field(default_factory=dict)
    """Variables of os-release."""
    debian: list[dict[str, str]] = field(default_factory=list)
    """Fields of the installed Debian packages."""
    locked: dict[str, str] = field(default_factory=dict)
    """Versions of the packages in the virtual environment, by name."""
    python: list[tuple[str, str]] = field(default_factory=list)
    """Names and versions of other Python packages: of the base image, and inside packages."""
    go: list[tuple[str, str]] = field(default_factory=list)
    """Modules of Go programs, and their versions."""


def read_image(reference: str) -> Contents:
    """Return the software in an image of the local Docker.

    Raises:
        ClusterError: If Docker fails.
    """
    container = read_output("docker", "create", reference)
    try:
        process = subprocess.Popen(("docker", "export", container), stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout as stream:
            contents = read_files(stream)
            stream.read()
        if process.wait() != 0:
            raise ClusterError(f"`docker export` of {reference} failed")
    finally:
        run("docker", "rm", container)
    return contents


def read_files(stream: IO[bytes]) -> Contents:
    """Return the software in the files of an image, which are read from a tar archive."""
    contents = Contents()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            name = member.name.removeprefix("./")
            if file is None:
                continue
            if name == "usr/lib/os-release":
                pairs = (line.partition("=") for line in file.read().decode().splitlines())
                contents.system = {key: value.strip('"') for key, _, value in pairs}
            elif name == "var/lib/dpkg/status":
                contents.debian = list(read_debian_packages(file.read().decode()))
            elif METADATA.fullmatch(name) and not name.startswith(DEBIAN_FOLDER):
                fields = BytesHeaderParser().parsebytes(file.read())
                package = normalize_name(fields["Name"]), str(fields["Version"])
                if LOCKED.fullmatch(name):
                    contents.locked[package[0]] = package[1]
                else:
                    contents.python.append(package)
            elif name.startswith("bin/"):  # elsewhere /bin is a link
                contents.go += read_go_modules(file)
    return contents


def normalize_name(name: str) -> str:
    """Return the name of a Python package as uv.lock has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_debian_packages(status: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each installed package in dpkg's status file."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, flags=re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield fields


def read_go_modules(program: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the modules that a Go program was built from, with Go's standard library."""
    with tempfile.NamedTemporaryFile() as copy:
        copyfileobj(program, copy)
        copy.flush()
        lines = read_output("go", "version", "-m", copy.name).splitlines()
    yield "stdlib", lines[0].rpartition(": go")[2]
    modules: list[tuple[str, str]] = []
    for line in lines[1:]:
        kind, *fields = line.split()
        if kind == "=>":  # replaces the module of the line before
            modules[-1] = fields[0], fields[1]
        elif kind in ("mod", "dep"):
            modules.append((fields[0], fields[1]))
    yield from modules
