"""The guide's commands that rotate secrets, docs/how-to/operate.md, run as they are written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable

from k8s.process import ROOT
from k8s.release import RELEASE
from tests.cluster.cluster import Cluster

GUIDE = ROOT / "docs" / "how-to" / "operate.md"
TIMEOUT_SECONDS = 2400
IDENTITIES = ("train", "predictor", "mlflow", "test")
LOGINS = ("mlflow-trainer", "mlflow-reader")
SECRETS = (
    *("airflow", "mlflow", "objectstore", "postgresql"),
    *(f"s3-{name}" for name in IDENTITIES),
    *LOGINS,
)
"""Secrets of the default installation, of which one is read for each kind of identity."""


def read_secrets(cluster: Cluster, names: Iterable[str] = SECRETS) -> dict[str, dict[str, str]]:
    """Return the decoded values of Secrets; the names are without that of the release."""
    return {name: cluster.read_secret(f"{RELEASE}-{name}") for name in names}


def read_rotations() -> tuple[str, list[str]]:
    """Return the guide's shell functions, and the commands of its table."""
    section = GUIDE.read_text().partition("## Rotate secrets\n")[2].partition("\n## ")[0]
    functions = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^\|[^|]*\| `(rotate[^`]*)`", section, re.MULTILINE)
    return "\n".join(functions), commands


def find_rotation(secret: str) -> str:
    """Return the command of the table that rotates values of a Secret.

    Args:
        secret: The name of the Secret without that of the release.
    """
    commands = read_rotations()[1]
    (command,) = (each for each in commands if each.split()[1:2] == [f"{RELEASE}-{secret}"])
    return command


def run_rotation(cluster: Cluster, command: str) -> None:
    """Run a command of the guide with bash, in the namespace of the release."""
    program = f'kubectl() {{ command {shlex.join(cluster.get_command())} "$@"; }}\n'
    program += f"{read_rotations()[0]}\n{command}"
    environment = {**os.environ, "HELM_NAMESPACE": cluster.namespace}
    environment["HELM_KUBECONTEXT"] = cluster.context
    subprocess.run(
        ["bash", "-euc", program], cwd=ROOT, env=environment, check=True, timeout=TIMEOUT_SECONDS
    )
