"""The CronJob that deletes what is no longer needed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.chart_scenarios import EXTERNAL, SERVING
from tests.support.helm import CHART, Manifest, Values, find, get_containers, get_names, render


def get_spec(values: Values | None = None) -> Manifest:
    """Return the spec of the CronJob's pod."""
    job = find(render(values), "CronJob", "retention")
    spec: Manifest = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def test_each_store_is_cleaned_by_its_own_image() -> None:
    """The lake first, then MLflow, then Airflow; the log ends with what is kept."""
    containers = get_containers(get_spec())
    assert [item["name"] for item in containers] == [
        "retain",
        "mlflow-gc",
        "airflow-clean",
        "holdings",
    ]
    images = [item["image"].partition(":")[0].rpartition("/")[2] for item in containers]
    assert images == ["validate", "mlflow", "airflow", "validate"]
    assert [item["args"] for item in containers if "args" in item] == [
        ["retain"],
        ["holdings", "--airflow-days=90", "--airflow-logs=/logs"],
    ]
    (logs,) = [one for one in containers[-1]["volumeMounts"] if one["name"] == "logs"]
    assert logs == {"name": "logs", "mountPath": "/logs", "readOnly": True}


def test_it_shares_the_node_of_the_task_logs() -> None:
    """The volume of the scheduler can be mounted on one node only."""
    spec = get_spec()
    (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    scheduler = find(render(), "StatefulSet", "airflow-scheduler")["spec"]
    assert term["labelSelector"] == scheduler["selector"]
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for one in (spec, scheduler["template"]["spec"])
        for volume in one["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"student-mlops-airflow-scheduler"}


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (EXTERNAL, "mlflow-gc"),
        (SERVING, "airflow-clean"),
        ({"retention": {"airflowDays": 0}}, "airflow-clean"),
    ],
    ids=["external MLflow", "no Airflow", "0 days"],
)
def test_services_of_others_are_left_alone(values: Values, missing: str) -> None:
    """An external MLflow is not cleaned, and Airflow only if it runs and its rows expire."""
    spec = get_spec(values)
    assert missing not in [item["name"] for item in get_containers(spec)]
    has_airflow = missing == "mlflow-gc"
    assert ("affinity" in spec) == has_airflow
    assert ("logs" in [one["name"] for one in spec["volumes"]]) == has_airflow
    holdings = get_containers(spec)[-1]["args"]
    assert ("--airflow-logs=/logs" in holdings) == has_airflow
    # Without Airflow nothing of it is listed; with 0 days it is, as kept for good.
    is_listed = any(argument.startswith("--airflow-days=") for argument in holdings)
    assert is_listed == (values != SERVING)


def test_it_can_be_switched_off() -> None:
    """Without a schedule there is no CronJob."""
    assert get_names(render({"retention": {"schedule": None}}), "CronJob") == []


def test_old_task_logs_are_deleted(tmp_path: Path) -> None:
    """Old files and empty folders go, and `airflow db clean` gets the same time."""
    logs, old = tmp_path / "logs", time.time() - 91 * 86_400
    for name, age in (("a/old.log", old), ("b/old.log", old), ("b/new.log", time.time())):
        file = logs / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("task")
        os.utime(file, (age, age))
    called = tmp_path / "called"
    airflow = tmp_path / "airflow"
    airflow.write_text(f'#!/bin/sh\necho "$@" > {shlex.quote(str(called))}\n')
    airflow.chmod(0o755)
    program = [sys.executable, str(CHART / "files/airflow/clean.py"), "90"]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(logs)
    subprocess.run(program, env=os.environ | environment, check=True)
    assert (logs / "a").is_dir()  # it changed just now
    os.utime(logs / "a", (old, old))
    subprocess.run(program, env=os.environ | environment, check=True)
    assert not (logs / "a").exists()
    left = sorted(path.relative_to(logs).as_posix() for path in logs.rglob("*") if path.is_file())
    assert left == ["b/new.log"]
    arguments = called.read_text()
    assert arguments.startswith("db clean --clean-before-timestamp=20")
    assert "--yes --skip-archive" in arguments
