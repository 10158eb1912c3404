"""The DAGs: their tasks, their schedules and the assets that connect them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings.deployment import MAX_SHADOW_WAIT_SECONDS
from pipeline.stages import COMMAND_TASKS, DAGS, STAGES, get_dag_tasks

ROOT = Path(__file__).parents[2]

READ_DAGS = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

class Forbidden:  # the first importer that is asked
    names = {"boto3", "evidently", "mlflow", "numpy", "onnxruntime", "pandas", "sklearn"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"a DAG must not import {name}")

def guard(event, arguments):
    if event == "socket.connect":
        raise RuntimeError(f"a DAG must not connect to {arguments[1]}")

sys.meta_path.insert(0, Forbidden())
sys.addaudithook(guard)
for pods_file in sys.argv[2:]:
    if child := os.fork():  # importing Airflow takes longer than parsing
        if os.waitpid(child, 0)[1]:
            sys.exit(f"the process of {pods_file} failed")
        continue
    os.environ["PODS_FILE"] = pods_file
    bag = DagBag(sys.argv[1], bundle_name="dags")
    modules = sorted(name for name in sys.modules if name.startswith("pipeline"))
    dags = {name: DagSerialization.to_dict(dag) for name, dag in bag.dags.items()}
    print(json.dumps({"errors": bag.import_errors, "dags": dags, "modules": modules}), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def readings(
    config: dict[str, Any],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """The DAGs as the scheduler sees them.

    They are those of the chart, without schedules, without a PODS_FILE, and with an approval.

    Each was parsed by a process that can neither connect nor import a stage's dependencies.
    """
    folder = tmp_path_factory.mktemp("pods")
    approval = folder / "approval.json"
    approval.write_text(json.dumps(config | {"approval": {"enabled": True, "timeout_hours": 5}}))
    off = folder / "off.json"
    off.write_text(json.dumps(config | {"schedules": dict.fromkeys(config["schedules"])}))
    process = subprocess.run(
        [
            *(sys.executable, "-c", READ_DAGS, str(ROOT / "dags")),
            *(environment["PODS_FILE"], str(off), str(folder / "absent.json"), str(approval)),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=True,
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("{")]
    names = ("chart", "no schedules", "no file", "approval")
    return dict(zip(names, map(json.loads, lines), strict=True))


@pytest.fixture(scope="module")
def parsed(readings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The DAGs of the chart."""
    return readings["chart"]


@pytest.fixture(scope="module")
def dags(parsed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each DAG's serialized form, by its id."""
    return {name: serialized["dag"] for name, serialized in parsed["dags"].items()}


def get_tasks(dag: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["__var"]["task_id"]: task["__var"] for task in dag["tasks"]}


def test_every_dag_of_the_table_parses(parsed: dict[str, Any]) -> None:
    """The DAGs are those of the stage table, and none has an import error."""
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == set(DAGS)


def test_parsing_imports_no_stage(parsed: dict[str, Any]) -> None:
    """A DAG imports only those modules of the pipeline that Airflow's image contains."""
    assert parsed["modules"] == [
        "pipeline",
        "pipeline.polling",
        "pipeline.stages",
        "pipeline.storage",
        "pipeline.storage.access",
        "pipeline.storage.layout",
    ]


@pytest.mark.parametrize("dag_id", DAGS)
def test_tasks_and_their_order(dags: dict[str, dict[str, Any]], dag_id: str) -> None:
    """A DAG's tasks are its rows of the table, connected as `after` says."""
    tasks = get_tasks(dags[dag_id])
    assert set(tasks) == {row.name for row in get_dag_tasks(dag_id)}
    for row in get_dag_tasks(dag_id):
        upstream = {
            task_id
            for task_id, task in tasks.items()
            if row.name in task.get("downstream_task_ids", [])
        }
        assert upstream == set(row.after), row.name


def test_an_approval_is_between_validate_and_promote(readings: dict[str, dict[str, Any]]) -> None:
    """Nothing is promoted before the answer of a person; without one in time, it is a rejection."""
    reading = readings["approval"]
    assert reading["errors"] == {}
    tasks = get_tasks(reading["dags"]["deployment"]["dag"])
    downstream = {name: task.get("downstream_task_ids", []) for name, task in tasks.items()}
    assert downstream == {
        "validate": ["approve"],
        "approve": ["promote"],
        "promote": ["verify"],
        "verify": [],
    }
    assert tasks["promote"].get("trigger_rule", "all_success") == "all_success"
    for dag_id in set(DAGS) - {"deployment"}:
        assert "approve" not in get_tasks(reading["dags"][dag_id]["dag"])


def test_schedules(dags: dict[str, dict[str, Any]]) -> None:
    """Training runs on a schedule or on drift, deployment on a candidate, the others on theirs."""
    timetables = {dag_id: json.dumps(dag["timetable"]) for dag_id, dag in dags.items()}
    assert "AssetOrTimeSchedule" in timetables["training"]
    assert "0 3 * * 1" in timetables["training"]
    assert '"name": "drift"' in timetables["training"]
    assert '"name": "candidate"' in timetables["deployment"]
    assert "Cron" not in timetables["deployment"]
    assert "*/30 * * * *" in timetables["drift"]
    assert "5 * * * *" in timetables["compaction"]
    assert "0 4 * * *" in timetables["scoring"]
    # A new installation does not make up for a missed tick.
    for dag_id in ("training", "drift", "compaction", "scoring"):
        assert '"run_immediately": 0.0' in timetables[dag_id]


def test_schedules_can_be_switched_off(readings: dict[str, dict[str, Any]]) -> None:
    """Without schedules training still runs on drift, and the others only when triggered."""
    parsed = readings["no schedules"]
    assert parsed["errors"] == {}
    timetables = {name: json.dumps(dag["dag"]["timetable"]) for name, dag in parsed["dags"].items()}
    assert '"name": "drift"' in timetables["training"]
    assert "Cron" not in json.dumps(timetables)


def test_assets_that_dags_wait_for_are_emitted(dags: dict[str, dict[str, Any]]) -> None:
    """The stages emit the assets that their rows name, and another DAG waits for each of them."""
    expected = {stage.name: {stage.emits} for stage in STAGES if stage.emits}
    outlets = {
        name: {outlet["__var"]["name"] for outlet in task["outlets"]}
        for dag in dags.values()
        for name, task in get_tasks(dag).items()
        if task.get("outlets")
    }
    assert outlets == expected
    awaited = {
        name
        for dag in dags.values()
        for name in re.findall(r'"name": "(\w+)"', json.dumps(dag["timetable"]))
    }
    assert awaited == set().union(*expected.values())


@pytest.mark.parametrize("dag_id", DAGS)
def test_one_run_at_a_time(dags: dict[str, dict[str, Any]], dag_id: str) -> None:
    """Runs do not overlap, none is made up for the past, and a new installation's DAGs are on."""
    dag = dags[dag_id]
    assert dag["max_active_runs"] == 1
    assert dag.get("catchup") is not True
    assert dag["is_paused_upon_creation"] is False
    assert len(dag["doc_md"]) > 100


def test_tasks_retry_with_backoff_and_push_no_result(
    dags: dict[str, dict[str, Any]], config: dict[str, Any]
) -> None:
    """Every task has the chart's number of retries, exponential backoff, a timeout and no XCom.

    `resume` has no retries: a second try would hide why the first one failed.
    """
    for dag in dags.values():
        for name, task in get_tasks(dag).items():
            assert task["task_type"] == "StagePodOperator"
            retries = 0 if name == "resume" else config["retries"]
            assert task.get("retries", 0) == retries, name
            assert task["retry_exponential_backoff"], name
            assert task["execution_timeout"], name
            assert task["doc_md"], name
            assert not task.get("do_xcom_push"), name


def test_people_come_before_stages(dags: dict[str, dict[str, Any]]) -> None:
    """A stop is the first task to start, and it and its end run only when a person starts them."""
    names = {row.name for row in COMMAND_TASKS}
    weights = {
        name: task.get("priority_weight", 1) * (1 if name in names else len(get_tasks(dag)))
        for dag in dags.values()
        for name, task in get_tasks(dag).items()
    }
    assert all(weights[name] > max(weights[stage.name] for stage in STAGES) for name in names)
    for name in names:
        assert get_tasks(dags[name])[name]["weight_rule"] == "absolute"
        assert "NullTimetable" in json.dumps(dags[name]["timetable"])


def test_waiting_for_shadow_traffic_ends_before_the_task(dags: dict[str, dict[str, Any]]) -> None:
    """Airflow must not end `validate` while it waits, nor before it has judged."""
    timeout_seconds = get_tasks(dags["deployment"])["validate"]["execution_timeout"]
    assert timeout_seconds >= MAX_SHADOW_WAIT_SECONDS + 900


def test_a_missing_pods_file_is_an_import_error(readings: dict[str, dict[str, Any]]) -> None:
    """Airflow shows the name of the missing file as the import error of each DAG."""
    parsed = readings["no file"]
    assert parsed["dags"] == {}
    assert len(parsed["errors"]) == len(DAGS)
    assert all("absent.json" in error for error in parsed["errors"].values())
