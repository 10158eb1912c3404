"""The DAGs as Airflow reads them, in Airflow's own environment. `make test` runs these tests there.

In an environment without Airflow nothing is collected here.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods_file import make_pods_file

ROOT = Path(__file__).parents[2]

collect_ignore_glob = [] if importlib.util.find_spec("airflow") else ["test_*.py"]


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The content of PODS_FILE in these tests."""
    return make_pods_file()


@pytest.fixture(scope="session")
def environment(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow that only parses: an empty home, and no connection."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "pods.json").write_text(json.dumps(config))
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "PODS_FILE": str(home / "pods.json"),
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="session", autouse=True)
def _airflow(environment: dict[str, str]) -> None:
    """Airflow reads its home when it is imported."""
    os.environ.update(environment)
