"""Dask's workers share the parts of a large table, and are killed meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dags.pod_spec import build_labels, build_pod
from k8s.release import CHART, RELEASE, SOURCE_SETTING
from pipeline.compute.workers import PARTS_PER_THREAD
from pipeline.data.synthetic import generate_csv
from pipeline.stages import get_stage
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    SPLITS,
    bronze_pointer,
    dask_report,
    gold_manifest,
    silver_manifest,
    silver_rows_part,
)
from tests.cluster.airflow_runs import make_run_id
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import Platform

pytestmark = pytest.mark.full

GENERATED_ROWS, REPEATS = 100_000, 60
ROWS = GENERATED_ROWS * REPEATS
PART_BYTES = 1 << 20
"""A part of the raw file has 50,000 rows."""
STAGES = ("preprocess", "features")
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "512Mi"},
    "limits": {"cpu": "250m", "memory": "1Gi"},
}
"""Of a worker: with a fraction of a core, one machine has room for several."""


@dataclass
class StagePod:
    """A pod of a stage that the test has started, as Airflow would."""

    cluster: Cluster
    name: str

    def get_phase(self) -> str:
        return str(self.cluster.get("pod", self.name)["status"]["phase"])

    def read_log(self) -> str:
        return self.cluster.kubectl("logs", self.name, check=False)

    def wait(self) -> None:
        """Wait until the pod has succeeded.

        Raises:
            AssertionError: If it failed; with its log.
        """
        ended = ("Succeeded", "Failed")
        wait_for(f"end of {self.name}", lambda: self.get_phase() in ended, interval_seconds=1)
        assert self.get_phase() == "Succeeded", self.read_log()


@pytest.fixture(scope="module")
def workers(platform: Platform) -> Iterator[Cluster]:
    """The cluster with a scheduler and two workers, which the release does not have otherwise."""
    cluster = platform.cluster
    values = ["--set=dask.enabled=true", "--set=dask.workers.replicas=2"]
    values += [f"--set-json=dask.workers.resources={json.dumps(RESOURCES)}"]
    upgrade = ("upgrade", RELEASE, str(CHART), "--reuse-values")
    wait = ("--wait", "--wait-for-jobs", "--timeout=15m")
    cluster.helm(*upgrade, *values, *wait)
    yield cluster
    cluster.helm(*upgrade, "--set=dask.enabled=false", *wait)


def start(
    cluster: Cluster,
    stage: str,
    run_id: str,
    *,
    in_process: bool = False,
    variables: dict[str, str] | None = None,
) -> StagePod:
    """Start the pod of a stage that the DAGs would start.

    Args:
        cluster: The cluster.
        stage: Name of the stage.
        run_id: Id of the run.
        in_process: Whether the stage knows no scheduler, and works in its own process.
        variables: Further environment variables.
    """
    data = cluster.get("configmap", f"{RELEASE}-pods")["data"]
    row, config = get_stage(stage), json.loads(data["pods.json"])
    arguments = [stage, "--run-id", run_id]
    pod = build_pod(row, arguments, config)
    name = f"{stage}-{run_id}".lower()
    pod["metadata"] = {"name": name, "labels": build_labels(row, config)}
    pod["spec"]["restartPolicy"] = "Never"
    container = pod["spec"]["containers"][0]
    removed = "MLOPS_DASK__" if in_process else "-"
    container["env"] = [item for item in container["env"] if not item["name"].startswith(removed)]
    variables = {"MLOPS_INGEST__PART_BYTES": str(PART_BYTES)} | (variables or {})
    container["env"] += [{"name": name, "value": value} for name, value in variables.items()]
    cluster.create(pod)
    return StagePod(cluster, name)


def run_stages(
    cluster: Cluster, lake: Lake, source: str, name: str, *, in_process: bool = False
) -> str:
    """Run the stages on the file that another run ingested; return the id of the run."""
    run_id = copy_pointer(lake, source, name)
    for stage in STAGES:
        start(cluster, stage, run_id, in_process=in_process).wait()
    return run_id


def copy_pointer(lake: Lake, source: str, name: str) -> str:
    """Give a new run the raw file of another; return its id."""
    run_id = make_run_id(name)
    lake.write(bronze_pointer(run_id), lake.read(bronze_pointer(source)))
    return run_id


def read_hashes(lake: Lake, run_id: str) -> dict[str, str]:
    """Return the hashes of a run's silver and gold."""
    silver = lake.read_model(silver_manifest(run_id), SilverManifest)
    gold = lake.read_model(gold_manifest(run_id), GoldManifest)
    return {"silver": silver.sha256} | {name: gold.splits[name].sha256 for name in SPLITS}


@pytest.fixture(scope="module")
def ingested(workers: Cluster, platform: Platform) -> str:
    """The id of a run that ingested a generated table."""
    header, rows = generate_csv(GENERATED_ROWS, seed=20).split(b"\n", 1)
    source = platform.put("large.csv", header + b"\n" + rows * REPEATS)
    run_id = make_run_id("table")
    start(workers, "ingest", run_id, variables={SOURCE_SETTING: source}).wait()
    return run_id


@pytest.fixture(scope="module")
def expected(workers: Cluster, lake: Lake, ingested: str) -> dict[str, str]:
    """The hashes of a run in the stages' own processes."""
    return read_hashes(lake, run_stages(workers, lake, ingested, "process", in_process=True))


def kill(cluster: Cluster, component: str) -> None:
    """Kill the first pod of a component without any warning."""
    name = cluster.list_pods(component)[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")


def wait_for_parts(lake: Lake, prefix: str, count: int) -> None:
    wait_for(f"{count} parts", lambda: len(lake.keys(prefix)) >= count, interval_seconds=0.2)


def test_killed_pods_change_nothing(
    workers: Cluster, lake: Lake, ingested: str, expected: dict[str, str]
) -> None:
    """A worker is killed during `preprocess`, and then the scheduler.

    The stage ends in its first attempt, the parts that it had are not done again, and silver and
    gold have the hashes of a run without workers.
    """
    run_id = copy_pointer(lake, ingested, "killed")
    preprocess = start(workers, "preprocess", run_id)
    prefix = silver_rows_part(run_id, 0).rpartition("/")[0] + "/"
    wait_for_parts(lake, prefix, 3)
    kill(workers, "dask-worker")
    wait_for_parts(lake, prefix, 10)
    kill(workers, "dask-scheduler")
    preprocess.wait()
    log = preprocess.read_log()
    lost = re.search(r"lost the connection .*; (\d+) parts are submitted again", log)
    assert lost, log
    assert int(lost[1]) <= 2 * PARTS_PER_THREAD  # of more than 60
    features = start(workers, "features", run_id)
    features.wait()
    assert read_hashes(lake, run_id) == expected
    for stage, pod in zip(STAGES, (preprocess, features), strict=True):
        assert "parts were handled by" in pod.read_log()
        assert b"Dask Performance Report" in lake.read(dask_report(run_id, stage))


def wait_for_pods(cluster: Cluster, count: int) -> None:
    wait_for("workers", lambda: len(cluster.list_pods("dask-worker")) == count)


def read_cpu() -> tuple[float, float]:
    """Return the CPU time of this machine since it started, idle and in total, in seconds."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123
        numbers = [int(number) for number in file.readline().split()[1:]]
    return (numbers[3] + numbers[4]) / 100, sum(numbers[:8]) / 100


def test_two_workers_are_faster_than_one(
    workers: Cluster,
    lake: Lake,
    ingested: str,
    expected: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both give the same hashes. The ratio is printed, with the CPU that the machine had left."""
    seconds = {}
    deployment = f"deployment/{RELEASE}-dask-worker"
    for count in (1, 2):
        workers.kubectl("scale", deployment, f"--replicas={count}")
        workers.wait_until_rolled_out(deployment)
        wait_for_pods(workers, count)
        began, (idle, total) = time.monotonic(), read_cpu()
        run_id = run_stages(workers, lake, ingested, f"workers-{count}")
        seconds[count] = time.monotonic() - began
        idle, total = read_cpu()[0] - idle, read_cpu()[1] - total
        with capsys.disabled():
            print(  # noqa: T201
                f"\n{count} workers: {ROWS:,} rows in {seconds[count]:.1f} s; "
                f"{idle / total:.0%} of the machine's CPU was idle"
            )
        assert read_hashes(lake, run_id) == expected
    with capsys.disabled():
        print(f"one worker took {seconds[1] / seconds[2]:.2f} times as long as two")  # noqa: T201
