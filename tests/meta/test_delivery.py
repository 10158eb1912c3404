"""skaffold.yaml and the CI workflow, with the programs that they call replaced by stubs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))

STUB = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
"""

MAKE_STUB = """#!/bin/sh
echo "make $*" >> "$CALLS"
if [ "$1" = .venv/local ]; then
  mkdir -p .venv/bin
  cp "$(dirname "$0")/kubectl" .venv/bin/python
fi
"""


class Stubs:
    """Programs on PATH that only record how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder / "bin", folder / "calls"
        self.work = folder / "work"
        for path in (self.folder, self.work):
            path.mkdir()
        for name, text in (("kubectl", STUB), ("make", MAKE_STUB)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

    def run(self, command: list[str], **environment: str) -> list[str]:
        """Run a command in an empty folder, and return the calls of the stubs."""
        path = f"{self.folder}:{os.environ['PATH']}"
        environment |= {"PATH": path, "CALLS": str(self.calls)}
        subprocess.run(command, env=environment, cwd=self.work, check=True, timeout=60)
        return self.calls.read_text().splitlines()


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path)


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def test_the_namespace_is_created_in_the_context_of_skaffold(stubs: Stubs) -> None:
    """Skaffold's hook uses the context that Skaffold deploys to, not kubectl's current one."""
    (hook,) = load("skaffold.yaml")["deploy"]["helm"]["hooks"]["before"]
    calls = stubs.run(hook["host"]["command"], SKAFFOLD_KUBE_CONTEXT="kind-other")
    assert calls == ["kubectl --context kind-other apply --filename k8s/namespace.yaml"]


def test_actions_are_pinned_by_commit() -> None:
    """A tag of an action can be moved to other code; the comment names the version."""
    uses = [
        line.strip().removeprefix("- ")
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert uses
    pinned = re.compile(r"uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in uses if not pinned.fullmatch(line)] == []


def test_the_diagnosis_needs_no_successful_deployment(stubs: Stubs) -> None:
    """The CI job reports what is wrong also if it failed before anything made an environment."""
    steps = load(".github/workflows/ci.yaml")["jobs"]["cluster"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("if") == "failure()"]
    calls = stubs.run(["bash", "-e", "-c", script])
    assert "make .venv/local" in calls
    assert "python -m k8s report" in calls
    assert any(call.startswith("kubectl") and " get pods" in call for call in calls)
