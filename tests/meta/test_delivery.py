"""skaffold.yaml, the workflows and the release, with the programs that they call replaced."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s import publish
from k8s.images import list_artifacts
from k8s.release import CHART

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


GRYPE_STUB = """#!/bin/sh
echo "grype $*" >> "$CALLS"
! grep -q CVE "${1#sbom:}"
"""

DIGEST = f"sha256:{'ab' * 32}"
PUBLISH_STUB = f"""#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *inspect*|push*) echo "Digest: {DIGEST}" ;; esac
if [ "$1" = package ]; then cp "$2/values.yaml" "$VALUES"; fi
"""


class Stubs:
    """Programs on PATH that only record how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder / "bin", folder / "calls"
        self.work = folder / "work"
        for path in (self.folder, self.work):
            path.mkdir()
        self.add("kubectl", STUB)
        self.add("make", MAKE_STUB)

    def add(self, name: str, text: str) -> Path:
        """Add a program, and return its path."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)
        return self.folder / name

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


def list_steps(path: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in load(str(path))["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_by_default(path: Path) -> None:
    """Jobs ask for more by name. The shell can parse each step."""
    assert load(str(path))["permissions"] == {"contents": "read"}
    for step in list_steps(path):
        script = re.sub(r"\$\{\{.*?\}\}", "x", step.get("run", ""))
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_scans_the_images_that_it_built(path: Path) -> None:
    """The scan comes after the bills of materials, and before anything is pushed."""
    scripts = "\n".join(step.get("run", "") for step in list_steps(path))
    scan = scripts.index("k8s/scan.sh")
    assert scripts.index("make sbom") < scan
    assert "k8s publish" not in scripts[:scan]


def test_a_scan_fails_after_it_has_scanned_every_image(stubs: Stubs) -> None:
    """The message names the images that need a newer package."""
    grype = stubs.add("grype", GRYPE_STUB)
    folder = stubs.work / "local" / "sbom"
    folder.mkdir(parents=True)
    (stubs.work / "k8s").mkdir()
    script = stubs.work / "k8s" / "scan.sh"
    script.write_text((ROOT / "k8s" / "scan.sh").read_text())
    for name, text in (("drift", "CVE"), ("train", "")):
        (folder / f"{name}.cdx.json").write_text(text)
    with pytest.raises(subprocess.CalledProcessError):
        stubs.run(["bash", str(script)], GRYPE=str(grype))
    calls = stubs.calls.read_text().splitlines()
    options = "--only-fixed --fail-on critical"
    expected = [f"grype sbom:local/sbom/{name}.cdx.json {options}" for name in ("drift", "train")]
    assert calls == expected
    (folder / "drift.cdx.json").write_text("")
    stubs.run(["bash", str(script)], GRYPE=str(grype))


def test_a_release_signs_what_it_pushes(
    stubs: Stubs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Images are signed and attested by digest, and the chart's values name the same digests."""
    for program in ("docker", "cosign", "helm"):
        stubs.add(program, PUBLISH_STUB)
    monkeypatch.setenv("PATH", f"{stubs.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(stubs.calls))
    monkeypatch.setenv("VALUES", str(tmp_path / "values.yaml"))
    monkeypatch.setattr(publish, "FOLDER", tmp_path / "sbom")
    (tmp_path / "sbom").mkdir()
    for artifact in list_artifacts():
        component = {"name": artifact.image, "version": "1234"}
        document = json.dumps({"metadata": {"component": component}})
        (tmp_path / "sbom" / f"{artifact.name}.cdx.json").write_text(document)
    publish.publish("ghcr.io/school", "1.2.0")
    calls = stubs.calls.read_text().splitlines()
    for artifact in list_artifacts():
        image = f"ghcr.io/school/student-mlops/{artifact.name}"
        file = tmp_path / "sbom" / f"{artifact.name}.cdx.json"
        assert f"docker tag {artifact.image}:1234 {image}:1.2.0" in calls
        pushed = calls.index(f"docker push --quiet {image}:1.2.0")
        assert calls.index(f"cosign sign --yes {image}@{DIGEST}") > pushed
        attest = f"cosign attest --yes --type cyclonedx --predicate {file} {image}@{DIGEST}"
        assert attest in calls
    assert calls[-1] == f"cosign sign --yes ghcr.io/school/charts/student-mlops@{DIGEST}"
    packaged = yaml.safe_load((tmp_path / "values.yaml").read_text())
    expected = yaml.safe_load((CHART / "values.yaml").read_text())
    expected["image"]["registry"] = "ghcr.io/school"
    for artifact in list_artifacts():
        expected["images"][artifact.name]["digest"] = DIGEST
    assert packaged == expected
