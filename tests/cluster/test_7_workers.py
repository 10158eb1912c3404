"""Dask's workers share the parts of a large table, and are killed meanwhile.

WORKERS_ROWS is the number of rows, 6 million by default. WORKERS_CPU is the CPU limit of a worker.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from k8s.release import RELEASE, SOURCE_SETTING
from pipeline.compute.workers import PARTS_PER_THREAD
from pipeline.data.synthetic import generate_csv
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest
from pipeline.storage.artifacts.scoring import ScoresManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    DRIFT_REPORT,
    SCORES,
    SPLITS,
    bronze_pointer,
    dask_report,
    gold_manifest,
    is_scores_manifest,
    report_file,
    silver_manifest,
    silver_rows_part,
)
from tests.cluster.airflow_runs import make_run_id
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import Platform
from tests.cluster.started_stages import StagePod, start_stage
from tests.support.lake import read_json
from tests.support.repeated_rows import repeat_rows

pytestmark = pytest.mark.full

GENERATED_ROWS = 100_000
REPEATS = int(os.environ.get("WORKERS_ROWS", "6_000_000")) // GENERATED_ROWS
ROWS = GENERATED_ROWS * REPEATS
PARTS = 30
"""Parts of the raw file, whose rows have 19 bytes."""
VARIABLES = {
    "MLOPS_INGEST__PART_BYTES": str(19 * ROWS // PARTS),
    "MLOPS_INGEST__MAX_BYTES": str(20 * ROWS + (1 << 20)),
    "MLOPS_TRAIN__MAX_ROWS": "200_000",
}
STAGES = ("preprocess", "features")
WORKERS = f"deployment/{RELEASE}-dask-worker"
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "512Mi"},
    "limits": {"cpu": os.environ.get("WORKERS_CPU", "250m"), "memory": "1Gi"},
}
"""Of a worker: with a fraction of a core, one machine has room for several."""


Show = Callable[[str], None]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Print a measurement that pytest would otherwise hide."""

    def show(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201

    return show


@pytest.fixture(scope="module")
def workers(platform: Platform) -> Iterator[Cluster]:
    """The cluster with a scheduler and two workers, which the release does not have otherwise."""
    cluster = platform.cluster
    values = ["--set=dask.enabled=true", "--set=dask.workers.replicas=2"]
    values += [f"--set-json=dask.workers.resources={json.dumps(RESOURCES)}"]
    cluster.upgrade("--reuse-values", *values)
    yield cluster
    cluster.upgrade("--reuse-values", "--set=dask.enabled=false")


def start(
    cluster: Cluster,
    stage: str,
    run_id: str,
    *options: str,
    in_process: bool = False,
    source: str = "",
) -> StagePod:
    """Start a stage with the variables of this file, see `start_stage`."""
    variables = VARIABLES | ({SOURCE_SETTING: source} if source else {})
    return start_stage(cluster, stage, run_id, *options, in_process=in_process, variables=variables)


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
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with ROWS generated rows."""
    path = tmp_path_factory.mktemp("table") / "large.csv"
    repeat_rows(path, generate_csv(GENERATED_ROWS, seed=20), REPEATS)
    return path


@pytest.fixture(scope="module")
def ingested(workers: Cluster, platform: Platform, table: Path) -> str:
    """The id of a run that ingested a generated table."""
    source = platform.put_file("large.csv", table)
    run_id = make_run_id("table")
    start(workers, "ingest", run_id, source=source).wait()
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
    assert int(lost[1]) <= 2 * PARTS_PER_THREAD  # of PARTS
    features = start(workers, "features", run_id)
    features.wait()
    assert read_hashes(lake, run_id) == expected
    for stage, pod in zip(STAGES, (preprocess, features), strict=True):
        assert "parts were handled by" in pod.read_log()
        assert b"Dask Performance Report" in lake.read(dask_report(run_id, stage))


@pytest.mark.usefixtures("first")
def test_every_stage_uses_the_workers(
    workers: Cluster, platform: Platform, ingested: str, table: Path, show: Show
) -> None:
    """From the raw file to a model, to a drift report and to predictions for every row.

    The time of each stage, with the start of its pod, is printed, and the memory of the workers.
    """
    lake = platform.lake
    run_id = copy_pointer(lake, ingested, "all")
    name = f"{run_id}.csv"
    platform.put_file(name, table, folder="scoring")
    options = {"drift": ("--silver", run_id), "score": ("--uploaded", name)}
    for stage in (*STAGES, "train", "drift", "score"):
        pod = start(workers, stage, run_id, *options.get(stage, ()))
        pod.wait(may_skip=stage == "drift")
        show(f"{stage}: {ROWS:,} rows in {pod.seconds:.0f} s")
        log = pod.read_log()
        assert ("the fits run on 2 workers" if stage == "train" else "handled by 2 workers") in log
        assert b"Dask Performance Report" in lake.read(dask_report(run_id, stage))
    (key,) = [key for key in lake.keys(SCORES) if is_scores_manifest(key, run_id)]
    scores = lake.read_model(key, ScoresManifest)
    assert (scores.rows, scores.rejected) == (ROWS, 0)
    report = read_json(lake, report_file(run_id, DRIFT_REPORT))
    assert report["current"]["rows"] == ROWS
    for number, peak in enumerate(read_peaks(workers)):
        show(f"worker {number}: peak memory {peak:.0f} MiB")


def read_peaks(cluster: Cluster) -> list[float]:
    """Return the peak resident memory of each worker, in MiB."""
    command = ("--", "grep", "VmHWM", "/proc/1/status")
    return [
        int(cluster.kubectl("exec", pod["metadata"]["name"], *command).split()[1]) / 1024
        for pod in cluster.list_pods("dask-worker")
    ]


def scale(cluster: Cluster, count: int) -> None:
    """Set the number of workers, and wait until there are so many."""
    cluster.kubectl("scale", WORKERS, f"--replicas={count}")
    cluster.wait_until_rolled_out(WORKERS)
    wait_for_pods(cluster, count)


def wait_for_pods(cluster: Cluster, count: int) -> None:
    wait_for("workers", lambda: len(cluster.list_pods("dask-worker")) == count)


@pytest.fixture
def autoscaled(workers: Cluster) -> Iterator[Cluster]:
    """The cluster with one worker, and an autoscaler that adds one under load."""
    scale(workers, 1)
    scaling = {"enabled": True, "minReplicas": 1, "maxReplicas": 2}
    scaling |= {"targetCPUUtilizationPercentage": 50}
    value = f"dask.workers.autoscaling={json.dumps(scaling)}"
    workers.upgrade("--reuse-values", f"--set-json={value}")
    yield workers
    workers.upgrade("--reuse-values", "--set=dask.workers.autoscaling.enabled=false")


def test_a_stage_gets_more_workers_under_load(
    autoscaled: Cluster, lake: Lake, ingested: str, expected: dict[str, str]
) -> None:
    """A worker is added while a stage runs, the next stage uses both, and no hash changes."""
    run_id = copy_pointer(lake, ingested, "autoscaled")
    preprocess = start(autoscaled, "preprocess", run_id)
    wait_for_pods(autoscaled, 2)
    preprocess.wait()
    autoscaled.wait_until_rolled_out(WORKERS)
    features = start(autoscaled, "features", run_id)
    features.wait()
    assert "handled by 2 workers" in features.read_log()
    assert read_hashes(lake, run_id) == expected


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
    show: Show,
) -> None:
    """Both give the same hashes. The ratio is printed, with the CPU that the machine had left."""
    seconds = {}
    for count in (1, 2):
        scale(workers, count)
        began, (idle, total) = time.monotonic(), read_cpu()
        run_id = run_stages(workers, lake, ingested, f"workers-{count}")
        seconds[count] = time.monotonic() - began
        idle, total = read_cpu()[0] - idle, read_cpu()[1] - total
        show(
            f"{count} workers: {ROWS:,} rows in {seconds[count]:.1f} s; "
            f"{idle / total:.0%} of the machine's CPU was idle"
        )
        assert read_hashes(lake, run_id) == expected
    show(f"one worker took {seconds[1] / seconds[2]:.2f} times as long as two")
