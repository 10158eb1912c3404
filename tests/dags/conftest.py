"""The DAGs as Airflow reads them, in Airflow's own environment (`make test` runs them there).

Elsewhere there is no Airflow, and nothing here is collected.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

collect_ignore_glob = [] if importlib.util.find_spec("airflow") else ["test_*.py"]


def pods_file() -> dict[str, Any]:
    """A file as the chart renders it, with values that no default could stand in for."""
    from pipeline.stages import STAGES

    return {
        "namespace": "school",
        "service_account": "school-stage",
        "image_pull_policy": "IfNotPresent",
        "image_pull_secrets": ["registry-login"],
        "labels": {"app.kubernetes.io/instance": "school"},
        "scheduling": {
            "nodeSelector": {"school/pool": "ml"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
        },
        "env_from": {"config_maps": ["school-settings"], "secrets": ["school-objectstore"]},
        "stages": {
            stage.name: {
                "image": f"registry.example/student-mlops/{stage.name}:1.2.3",
                "resources": {
                    "requests": {"cpu": "100m", "memory": "256Mi"},
                    "limits": {"memory": "1Gi"},
                },
                "labels": {"student-mlops/network": "internet"} if stage.internet else {},
            }
            for stage in STAGES
        },
        "schedules": {"training": "0 3 * * 1", "drift": "*/30 * * * *"},
        "retries": 3,
    }


@pytest.fixture(scope="session")
def given() -> dict[str, Any]:
    """What PODS_FILE holds in these tests."""
    return pods_file()


@pytest.fixture(scope="session")
def environment(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables that a parsing Airflow is given: no connection, no database but an empty folder."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "pods.json").write_text(json.dumps(given))
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "PODS_FILE": str(home / "pods.json"),
        "PYTHONPATH": str(ROOT),
    }
