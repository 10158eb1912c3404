"""What tests of every room share: a clean environment, both kinds of lake, and contexts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import settings as settings_module
from pipeline.context import Context, open_context
from pipeline.settings import LakeSettings, Settings
from pipeline.storage.lake import Lake, bucket_name, open_lake, s3_client
from pipeline.storage.layout import LAYERS

SURVEY = Path(__file__).parents[2] / "shared" / "data" / "ml2_student_performance.csv"
"""The original survey file where a checkout has it beside it; tests that can use it name the generated one otherwise."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(settings_module.PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server over HTTP, on a port of its own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_lake(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LakeSettings:
    """Settings of an empty lake on S3."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    prefix = f"lake-{abs(hash(tmp_path))}"
    settings = LakeSettings(url=f"s3://{prefix}", endpoint=s3_endpoint)
    client: Any = s3_client(settings)
    for layer in LAYERS:
        client.create_bucket(Bucket=bucket_name(layer, prefix))
    return settings


@pytest.fixture(params=["disk", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """An empty lake, once on a disk and once on S3."""
    if request.param == "s3":
        return open_lake(request.getfixturevalue("s3_lake"))
    return open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    """A context on a disk lake below the test's folder: keywords are sections of the settings."""

    def make(run_id: str = "run-1", **sections: dict[str, Any]) -> Context:
        lake = {"url": f"file://{tmp_path}/lake"}
        mlflow = {
            "tracking_uri": f"sqlite:///{tmp_path}/mlflow.db",
            "artifacts": f"{tmp_path}/artifacts",
        }
        return open_context(
            Settings.model_validate({"lake": lake, "mlflow": mlflow, **sections}), run_id
        )

    return make


@pytest.fixture(scope="session")
def mlflow_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of MLflow's own store in a SQLite file, without the server in front of it."""
    folder = tmp_path_factory.mktemp("mlflow-file")
    return {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifacts": str(folder / "artifacts")}
