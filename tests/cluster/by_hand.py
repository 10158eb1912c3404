"""Run the commands of the guides on the cluster."""

from __future__ import annotations

import re
import subprocess

from k8s.process import ROOT
from tests.cluster.cluster import Cluster

GUIDE = ROOT / "docs" / "how-to" / "roll-back.md"


def run_by_hand(cluster: Cluster, *words: str, pod: str = "pod") -> str:
    """Run a command with the shell function of the guide, and return what it prints.

    Args:
        cluster: The cluster.
        words: The command and its arguments.
        pod: `pod`, or `erasure` for the command `subject` (docs/how-to/operate.md).
    """
    function = re.search(r"^by_hand\(\) {.*?^}$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert function is not None
    kubectl = " ".join(cluster.get_command()) + " "
    definition = function[0].replace("kubectl ", kubectl).replace("pod\\.json", f"{pod}\\.json")
    assert f"{pod}\\.json" in definition
    completed = subprocess.run(
        ["bash", "-c", f'{definition}\nby_hand "$@"', "bash", *words],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout
