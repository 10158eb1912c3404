"""The three DAGs: what they are made of, when they run, what they hand each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages import DAGS, STAGES, stages_of_dag

ROOT = Path(__file__).parents[2]

READ_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

class Refused:  # stands first among the importers
    names = {"numpy", "pandas", "sklearn", "mlflow", "boto3", "evidently", "onnxruntime", "pydantic_settings"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"a DAG may not need {name}")

def guard(event, arguments):
    if event == "socket.connect":
        raise RuntimeError(f"a DAG may not connect to {arguments[1]}")

sys.meta_path.insert(0, Refused())
sys.addaudithook(guard)
bag = DagBag(sys.argv[1], bundle_name="dags")
modules = sorted(name for name in sys.modules if name.startswith("pipeline"))
dags = {name: DagSerialization.to_dict(dag) for name, dag in bag.dags.items()}
print(json.dumps({"errors": bag.import_errors, "dags": dags, "modules": modules}))
"""


def read_dags(environment: dict[str, str], folder: Path = ROOT / "dags") -> dict[str, Any]:
    """What a fresh Airflow process reads, serialized as its scheduler sees it."""
    ran = subprocess.run(
        [sys.executable, "-c", READ_DAGS, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=True,
    )
    read: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return read


@pytest.fixture(scope="module")
def read(environment: dict[str, str]) -> dict[str, Any]:
    """The DAGs as parsed by a process that may neither connect anywhere nor import a stage's dependencies."""
    return read_dags(environment)


@pytest.fixture(scope="module")
def dags(read: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each DAG's serialized form by its id."""
    return {name: serialized["dag"] for name, serialized in read["dags"].items()}


def tasks_of(dag: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["__var"]["task_id"]: task["__var"] for task in dag["tasks"]}


def test_every_dag_of_the_table_parses(read: dict[str, Any]) -> None:
    """The DAGs are those of the stage table, without an import error, a connection or a stage's dependency."""
    assert read["errors"] == {}
    assert set(read["dags"]) == set(DAGS)


def test_parsing_reads_the_stage_table_alone(read: dict[str, Any]) -> None:
    """Of the pipeline only the table is imported, which is all of it that Airflow's image holds."""
    assert read["modules"] == ["pipeline", "pipeline.stages"]


@pytest.mark.parametrize("name", DAGS)
def test_tasks_and_their_order_are_the_tables(dags: dict[str, dict[str, Any]], name: str) -> None:
    """A DAG's tasks are its rows of the table, joined as `after` says."""
    tasks = tasks_of(dags[name])
    assert set(tasks) == {stage.name for stage in stages_of_dag(name)}
    for stage in stages_of_dag(name):
        before = {
            task_id
            for task_id, task in tasks.items()
            if stage.name in task.get("downstream_task_ids", [])
        }
        assert before == set(stage.after), stage.name


def test_schedules(dags: dict[str, dict[str, Any]]) -> None:
    """Training runs by its timetable or on drift, deployment on a candidate, drift by its timetable."""

    def of(name: str) -> str:
        return json.dumps(dags[name]["timetable"])

    assert "AssetOrTimeSchedule" in of("training")
    assert "0 3 * * 1" in of("training")
    assert '"name": "drift"' in of("training")
    assert '"name": "candidate"' in of("deployment")
    assert "Cron" not in of("deployment")
    assert "*/30 * * * *" in of("drift")
    for name in ("training", "drift"):  # a tick just missed starts nothing on a new installation
        assert '"run_immediately": 0.0' in of(name)


def test_schedules_can_be_switched_off(
    given: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    """Without timetables training still follows drift, and the DAG drift runs by hand only."""
    off = tmp_path / "pods.json"
    off.write_text(json.dumps(given | {"schedules": {"training": None, "drift": None}}))
    read = read_dags(environment | {"PODS_FILE": str(off)})
    assert read["errors"] == {}
    training, drift = (
        json.dumps(read["dags"][name]["dag"]["timetable"]) for name in ("training", "drift")
    )
    assert '"name": "drift"' in training
    assert "Cron" not in training + drift


def test_assets_that_dags_wait_for_are_emitted(dags: dict[str, dict[str, Any]]) -> None:
    """An asset is emitted by the stage whose row says so, and each is waited for by another DAG."""
    emitted = {stage.name: {stage.emits} for stage in STAGES if stage.emits}
    outlets = {
        name: {outlet["__var"]["name"] for outlet in task["outlets"]}
        for dag in dags.values()
        for name, task in tasks_of(dag).items()
        if task.get("outlets")
    }
    assert outlets == emitted
    waited = {
        name
        for dag in dags.values()
        for name in re.findall(r'"name": "(\w+)"', json.dumps(dag["timetable"]))
    }
    assert waited == set().union(*emitted.values())


@pytest.mark.parametrize("name", DAGS)
def test_dags_run_one_at_a_time_from_the_start(dags: dict[str, dict[str, Any]], name: str) -> None:
    """No two runs race, none is made up for the past, a new installation's DAGs are on, and each shows its text."""
    dag = dags[name]
    assert dag["max_active_runs"] == 1
    assert dag.get("catchup") is not True
    assert dag["is_paused_upon_creation"] is False
    assert len(dag["doc_md"]) > 100


def test_tasks_retry_with_backoff_and_pass_nothing(
    dags: dict[str, dict[str, Any]], given: dict[str, Any]
) -> None:
    """Every task retries as the chart says, waits longer each time, is bounded, and pushes no result."""
    for dag in dags.values():
        for name, task in tasks_of(dag).items():
            assert task["task_type"] == "StagePodOperator"
            assert task["retries"] == given["retries"], name
            assert task["retry_exponential_backoff"], name
            assert task["execution_timeout"], name
            assert task["doc_md"], name
            assert not task.get("do_xcom_push"), name


def test_a_missing_pods_file_is_an_import_error(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Airflow shows which file is missing, for each DAG."""
    read = read_dags(environment | {"PODS_FILE": str(tmp_path / "absent.json")})
    assert read["dags"] == {}
    assert len(read["errors"]) == len(DAGS)
    assert all("absent.json" in error for error in read["errors"].values())
