"""A real MLflow server, and models registered on it as the stage `register` does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline.commands.local_servers import find_free_port
from pipeline.model.bundle import Bundle
from pipeline.settings.connections import MlflowSettings
from pipeline.stages import get_stage
from pipeline.tracking.login import PASSWORD, USERNAME
from pipeline.tracking.registry import Registry
from tests.support.chart_scenarios import MLFLOW_USERS
from tests.support.helm import CHART
from tests.support.servers import run_server
from tests.support.versions import register_bundle

START_TIMEOUT_SECONDS = 150
FILES = CHART / "files" / "mlflow"
USERS = {name: f"password of {name}" for name in MLFLOW_USERS}
"""The chart's users of MLflow, with the passwords that they have in tests."""
PASSWORD_FUNCTION = "logins:authenticate"
SIGN_ON_FUNCTION = "sign_on:authenticate"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


@contextlib.contextmanager
def mlflow_server(
    folder: Path,
    users: Mapping[str, str] | None = None,
    sign_on: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Start a server with one worker on SQLite that proxies artifacts; yields its URL.

    Args:
        folder: Folder of its files.
        users: Passwords of the chart's users of MLflow; without them, the server has no login.
        sign_on: Variables of single sign-on, with which the server also accepts ID tokens.
    """
    url = f"http://127.0.0.1:{find_free_port()}"
    database = f"sqlite:///{folder}/mlflow.db"
    options = {
        "--host": "127.0.0.1",
        "--port": url.rpartition(":")[2],
        "--workers": "1",
        "--backend-store-uri": database,
        "--artifacts-destination": str(folder / "artifacts"),
    }
    environment = dict(QUIET)
    if users:
        function = SIGN_ON_FUNCTION if sign_on else PASSWORD_FUNCTION
        environment |= create_users(folder, database, users, function)
        environment |= {"PYTHONPATH": str(FILES), **(sign_on or {})}
        options["--app-name"] = "basic-auth"
    command = [sys.executable, "-m", "mlflow", "server", "--serve-artifacts"]
    command += [word for option in options.items() for word in option]
    health = f"{url}/health"
    with run_server(command, health, folder, environment, timeout_seconds=START_TIMEOUT_SECONDS):
        yield url


def log_in(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    """Let MLflow's clients, and the processes that start from now on, log in as a user."""
    monkeypatch.setenv(USERNAME, user)
    monkeypatch.setenv(PASSWORD, USERS[user])


def get_mlflow_user(stage: ModuleType) -> str:
    """Return the user of MLflow with whose login a stage connects."""
    user = get_stage(stage.__name__.rpartition(".")[2]).mlflow_user
    assert user
    return user


def create_users(
    folder: Path,
    database: str,
    users: Mapping[str, str],
    function: str = PASSWORD_FUNCTION,
) -> dict[str, str]:
    """Create MLflow's users with the chart's program; return the variables of the server."""
    environment = write_logins(folder, database, users, function)
    command = [sys.executable, str(FILES / "users.py"), str(folder / "users")]
    subprocess.run(command, check=True, env=os.environ | environment)
    return environment


def write_logins(
    folder: Path,
    database: str,
    users: Mapping[str, str],
    function: str = PASSWORD_FUNCTION,
) -> dict[str, str]:
    """Write the logins as files, as the chart mounts them; return the variables of the server.

    Args:
        folder: Folder for the configuration and the logins.
        database: URL of the database.
        users: The password of each of the chart's users, by its name.
        function: The function that checks logins, as MODULE:NAME.
    """
    for name, password in users.items():
        login = folder / "users" / name
        login.mkdir(parents=True, exist_ok=True)
        (login / USERNAME).write_text(name)
        (login / PASSWORD).write_text(password)
    config = folder / "auth.ini"
    text = (FILES / "auth.ini").read_text().replace("DATABASE_URI", database)
    config.write_text(text.replace("AUTHORIZATION_FUNCTION", function))
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests",
    }


class RegisteredModel:
    """A registered model of its own on a server.

    Args:
        mlflow_url: URL of the server.
        artifact_location: Folder for the artifacts; by default the server proxies them.
    """

    def __init__(self, mlflow_url: str, artifact_location: Path | None = None) -> None:
        self.name = f"model-{uuid.uuid4().hex[:12]}"
        self.registry = Registry(MlflowSettings(tracking_uri=mlflow_url, name=self.name))
        self.environment = {
            "MLOPS_MLFLOW__TRACKING_URI": mlflow_url,
            "MLOPS_MLFLOW__NAME": self.name,
            "MLOPS_PREDICTOR__REQUIRE_RECORD": "false",  # the tests move aliases themselves
        }
        if artifact_location:
            with self.registry.client() as client:
                client.create_experiment(self.name, artifact_location.as_uri())

    def register(
        self, source: Bundle, *aliases: str, tag: str | None = None, **changes: Any
    ) -> str:
        """Register a bundle, give it aliases, and return the number of its version.

        Args:
            source: The bundle.
            aliases: Aliases of the new version.
            tag: Value of the manifest's hash tag, if it is to be wrong.
            changes: Other values of fields of the manifest.
        """
        return register_bundle(self.registry, source, *aliases, manifest_sha256=tag, **changes)
