"""Stages whose pods the tests start themselves, as Airflow would."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from dags.pod_spec import build_labels, build_pod
from k8s.release import RELEASE
from pipeline.stages import EXIT_OK, EXIT_SKIPPED, get_stage
from tests.cluster.cluster import Cluster, wait_for

TIMEOUT_SECONDS = 3_000.0


@dataclass
class StagePod:
    """A pod of a stage that a test has started.

    Attributes:
        cluster: The cluster.
        name: Name of the pod.
        seconds: How long the test has waited for its end.
    """

    cluster: Cluster
    name: str
    seconds: float = 0
    _began: float = field(default_factory=time.monotonic)

    def get_phase(self) -> str:
        return str(self.cluster.get("pod", self.name)["status"]["phase"])

    def read_log(self) -> str:
        return self.cluster.kubectl("logs", self.name, check=False)

    def wait(self, *, may_skip: bool = False) -> None:
        """Wait until the pod has succeeded.

        Args:
            may_skip: Whether the stage may also end because it has nothing to do.

        Raises:
            AssertionError: If it failed; with its log.
        """
        ended = ("Succeeded", "Failed")
        wait_for(
            f"end of {self.name}",
            lambda: self.get_phase() in ended,
            interval_seconds=1,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        self.seconds = time.monotonic() - self._began
        (status,) = self.cluster.get("pod", self.name)["status"]["containerStatuses"]
        code = status["state"]["terminated"]["exitCode"]
        assert code in (EXIT_OK, *([EXIT_SKIPPED] if may_skip else [])), self.read_log()


def start_stage(
    cluster: Cluster,
    stage: str,
    run_id: str,
    *options: str,
    in_process: bool = False,
    variables: dict[str, str] | None = None,
) -> StagePod:
    """Start the pod of a stage that the DAGs would start.

    Args:
        cluster: The cluster.
        stage: Name of the stage.
        run_id: Id of the run.
        *options: Further arguments of the stage's command line.
        in_process: Whether the stage knows no scheduler, and works in its own process.
        variables: Further environment variables.
    """
    data = cluster.get("configmap", f"{RELEASE}-pods")["data"]
    row, config = get_stage(stage), json.loads(data["pods.json"])
    pod = build_pod(row, [stage, "--run-id", run_id, *options], config)
    name = f"{stage}-{run_id}".lower()
    pod["metadata"] = {"name": name, "labels": build_labels(row, config)}
    pod["spec"]["restartPolicy"] = "Never"
    container = pod["spec"]["containers"][0]
    removed = "MLOPS_DASK__" if in_process else "-"
    container["env"] = [item for item in container["env"] if not item["name"].startswith(removed)]
    container["env"] += [{"name": key, "value": value} for key, value in (variables or {}).items()]
    cluster.create(pod)
    return StagePod(cluster, name)
