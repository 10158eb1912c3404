"""Reads Dockerfiles as build stages and their instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class BuildStage:
    """A build stage: its base image, its name, and its instructions as (keyword, arguments)."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def get(self, keyword: str) -> list[str]:
        """Return the arguments of every instruction with this keyword."""
        return [arguments for word, arguments in self.instructions if word == keyword]


def read_dockerfile(path: Path) -> list[BuildStage]:
    """Return the build stages of a Dockerfile; lines before the first FROM are one stage."""
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    stages = [BuildStage("", "")]
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        keyword, _, arguments = line.partition(" ")
        if keyword == "FROM":
            base, _, name = arguments.partition(" AS ")
            stages.append(BuildStage(base, name))
        else:
            stages[-1].instructions.append((keyword, arguments))
    return stages


def get_defaults(path: Path) -> dict[str, str]:
    """Return the defaults of a Dockerfile's build arguments."""
    pairs = [
        argument.partition("=") for stage in read_dockerfile(path) for argument in stage.get("ARG")
    ]
    return {name: default.strip('"') for name, equals, default in pairs if equals}
