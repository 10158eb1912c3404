"""Environments of packages that benchmarks compare with, each installed once in `.venvs`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.bench.cached import ROOT
from tests.support.uv import find_uv


def create_environment(name: str, requirements: Path, python: str) -> Path:
    """Create an environment unless it is there.

    Args:
        name: Name of its folder in `.venvs`.
        requirements: File that lists its packages.
        python: Versions of Python that the packages support.

    Returns:
        Its interpreter.
    """
    environment = ROOT / ".venvs" / name
    interpreter, ready = environment / "bin" / "python", environment / "ready"
    if not ready.exists():
        uv = find_uv()
        assert uv, "uv is not installed"
        subprocess.run([uv, "venv", "--clear", "--python", python, str(environment)], check=True)
        install = [uv, "pip", "install", "--python", str(interpreter), "-r", str(requirements)]
        subprocess.run(install, check=True)
        ready.touch()
    return interpreter


def run_program(python: Path, program: Path, given: Any, **environment: str) -> Any:
    """Run a program of an environment with JSON as its input, and return its JSON output."""
    done = subprocess.run(
        [python, "-W", "ignore", program],
        input=json.dumps(given),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
