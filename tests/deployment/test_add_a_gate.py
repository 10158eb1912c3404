"""docs/how-to/add-a-gate.md, followed on a copy of the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipeline.stages import EXIT_SKIPPED
from tests.support.deployment_env import DeploymentEnv
from tests.support.how_to import ROOT, copy_repository, read_edits
from tests.support.lake import read_json

PAGE = ROOT / "docs" / "how-to" / "add-a-gate.md"
NAME = "max_predicted_positive_rate"
SETTING = f"MLOPS_GATES__{NAME.upper()}"


def run(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, with its modules and without this repository's."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_two_edits_add_a_gate(mlflow_file: dict[str, str], survey: Path, tmp_path: Path) -> None:
    """The gate is judged and shown, its bound is a setting, and the documentation lists it."""
    edits = read_edits(PAGE)
    assert len(edits) == 2
    copy = copy_repository(tmp_path / "repository")
    for edit in edits:
        edit.apply(copy)

    env = DeploymentEnv(mlflow_file, "add-a-gate", survey, tmp_path / "lake")
    number = env.register("good")
    context = env.context("run-1")
    settings = context.settings
    result = run(
        copy,
        *("-m", "pipeline", "validate", "--run-id", "run-1"),
        MLOPS_LAKE__URL=settings.lake.url,
        MLOPS_MLFLOW__TRACKING_URI=settings.mlflow.tracking_uri,
        MLOPS_MLFLOW__ARTIFACTS=settings.mlflow.artifacts,
        MLOPS_MLFLOW__NAME=settings.mlflow.model_name,
        **{SETTING: "0.001"},
    )
    assert result.returncode == EXIT_SKIPPED, result.stderr
    assert f"version {number} is not promoted, `production` stays empty: {NAME} is" in result.stderr
    report = read_json(context.lake, "reports/run-1/validation.json")
    (gate,) = [gate for gate in report["gates"] if gate["name"] == NAME]
    assert gate["bound"] == 0.001
    assert 0 < gate["value"] < 0.5
    assert f"| {NAME} " in result.stdout + result.stderr

    assert run(copy, "-m", "docs.pages").returncode == 0
    reference = copy / "docs" / "reference"
    assert (
        f"| `{NAME}` | 0.5 | point estimate | point estimate |  |"
        in (reference / "gates.md").read_text()
    )
    assert f"| `{SETTING}` | `0.5` |" in (reference / "settings.md").read_text()
