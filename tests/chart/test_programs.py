"""The programs in the chart's `files/`, run as the pods run them."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from images.layers import find_code
from k8s.images import list_artifacts, list_modules
from pipeline.settings.connections import LakeSettings
from tests.support.helm import CHART, ROOT

FILES = CHART / "files"


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the chart with the repository's modules on its path."""
    return subprocess.run(
        [sys.executable, str(FILES / program), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


def run_check(lake: LakeSettings) -> subprocess.CompletedProcess[str]:
    variables = {"MLOPS_LAKE__URL": lake.url, "MLOPS_LAKE__ENDPOINT": lake.endpoint or ""}
    return run("tests/check.py", "minio", **variables)


def test_the_check_of_the_object_store(s3_lake: LakeSettings) -> None:
    """`helm test` succeeds only when the buckets exist and bronze is versioned."""
    unversioned = run_check(s3_lake)
    assert unversioned.returncode != 0
    assert "versioning of the bronze bucket is off" in unversioned.stderr
    subprocess.run(
        [sys.executable, "-m", "pipeline", "buckets"],
        env={
            **os.environ,
            "MLOPS_LAKE__URL": s3_lake.url,
            "MLOPS_LAKE__ENDPOINT": s3_lake.endpoint or "",
        },
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert run_check(s3_lake).stdout.startswith("ok: The lake's buckets exist")
    other = LakeSettings(url=f"{s3_lake.url}-other", endpoint=s3_lake.endpoint)
    assert "other-bronze cannot be used" in run_check(other).stderr


def test_waiting_for_a_service() -> None:
    """wait_for.py runs the command once the service accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        process = run("airflow/wait_for.py", "127.0.0.1", port, "echo", "started")
    assert process.stdout == "started\n"
    assert f"127.0.0.1:{port} accepts connections" in process.stderr


@pytest.mark.parametrize(
    ("program", "image"),
    [
        ("tests/check.py", "ingest"),
        ("airflow/wait_for.py", "airflow"),
        ("mlflow/users.py", "mlflow"),
    ],
)
def test_the_image_has_what_a_program_imports(program: str, image: str) -> None:
    """Every module of the pipeline that a program imports is in the image that runs it."""
    tree = ast.parse((FILES / program).read_text())
    imported = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline")
    }
    imported.add("pipeline.secret_files")  # starts the program
    artifact = {item.name: item for item in list_artifacts()}[image]
    held = {path.with_suffix("") for path in find_code(list_modules(artifact), ROOT)}
    for module in imported:
        path = Path(*module.split("."))
        assert {path, path / "__init__"} & held, module
