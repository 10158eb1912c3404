"""Fixtures for all tests, and the report of skipped tests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if "TEST_TABLE" not in os.environ:
    # The columns file decides at import what the models, requests and pages look like, and the
    # tests name the features of the bundled one. Without this line `make test` would fail for
    # whoever has set MLOPS_COLUMNS to an adopted file. Tests of other tables set it themselves, in
    # processes of their own; tests/tables has one table per process, which TEST_TABLE names.
    os.environ.pop("MLOPS_COLUMNS", None)  # before the first import of pipeline.columns

from pipeline.context import Context, open_context
from pipeline.environment import PREFIX
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import LAYERS, bucket_name
from pipeline.storage.s3 import s3_client
from tests.support.lake_access import guard_stages

MLFLOW_SERVER_FILES = frozenset(
    {
        "tests/deployment/test_live.py",
        "tests/model/test_mlflow_login.py",
        "tests/model/test_mlflow_server.py",
        "tests/serving/test_updater.py",
    }
)
"""Files with tests that use `mlflow_url`. An MLflow server needs 11 s of CPU time to start."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fail-on-skip", action="store_true", help="exit 1 if a test was skipped")


def get_reporter(config: pytest.Config) -> Any:
    """The terminal's reporter; None in the workers of pytest-xdist."""
    return config.pluginmanager.get_plugin("terminalreporter")


def list_skip_reasons(config: pytest.Config) -> list[str]:
    """Why each skipped test was skipped."""
    reporter = get_reporter(config)
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    return [str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Make a skipped test a failure with --fail-on-skip."""
    if session.config.option.fail_on_skip and list_skip_reasons(session.config) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the reasons of skipped tests, and what to do about them, as the last line."""
    if reasons := list_skip_reasons(config):
        counts = ", ".join(f"{reason}: {n}" for reason, n in Counter(reasons).most_common())
        get_reporter(config).write_line(
            f"{len(reasons)} tests were skipped ({counts}). `make tools` installs what they need.",
            yellow=True,
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Assign whole files to workers, and the files of MLFLOW_SERVER_FILES to one worker."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped] # has no types

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "MLflow server" if file in MLFLOW_SERVER_FILES else file

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Let stages use only the objects that the stage table allows them."""
    guard_stages()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 server on a free port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_lake(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LakeSettings:
    """The settings of an empty lake on S3."""
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
    """An empty lake: one on disk, and one on S3."""
    if request.param == "s3":
        return open_lake(request.getfixturevalue("s3_lake"))
    return open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    """Make a context with a lake in the test's folder; keywords are sections of the settings."""

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
    """The settings of an MLflow store in a SQLite file, without a server."""
    folder = tmp_path_factory.mktemp("mlflow-file")
    return {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifacts": str(folder / "artifacts")}


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an MLflow server with a login that proxies artifacts, as on the cluster.

    Clients log in as its administrator, unless a test calls `log_in`.
    """
    from tests.support.mlflow_server import USERS, log_in, mlflow_server  # unknown to tests/dags

    folder = tmp_path_factory.mktemp("mlflow-server")
    with pytest.MonkeyPatch.context() as patch, mlflow_server(folder, USERS) as url:
        log_in(patch, "admin")
        yield url


@pytest.fixture
def without_evidently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score columns with the project's own methods instead of Evidently, and draw no page of it.

    Evidently needs a second per report. tests/unit/test_drift_methods.py holds that the scores are
    equal.
    """
    from tests.support.drift import draw_nothing  # not needed by tests/dags

    monkeypatch.setattr("pipeline.drift.evidently_report.draw", draw_nothing)
