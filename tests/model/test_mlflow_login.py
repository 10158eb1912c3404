"""The logins of MLflow, on a real server with the chart's users."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from pipeline.errors import RegistryError
from pipeline.settings.connections import MlflowSettings
from pipeline.stages import STAGES
from pipeline.tracking.login import PASSWORD, TOKEN, USERNAME, get_authorization
from pipeline.tracking.registry import PRODUCTION, Registry
from serving.model.mlflow_rest import RestRegistry
from tests.support.helm import ROOT
from tests.support.mlflow_server import FILES, USERS, RegisteredModel, log_in, write_logins
from tests.support.versions import register_empty

MOVE, RETRACT = ("POST", "registered-models/alias"), ("DELETE", "registered-models/alias")
TAG = ("POST", "model-versions/set-tag")
READ = ("GET", "registered-models/alias")
LOG = ("POST", "runs/set-tag")
CREATE_EXPERIMENT = ("POST", "experiments/create")
CREATE_MODEL = ("POST", "registered-models/create")
CREATE_USER, LIST_USERS = ("POST", "users/create"), ("GET", "users/list")
WRITE = {LOG, TAG, MOVE, RETRACT, CREATE_EXPERIMENT, CREATE_MODEL}

ALLOWED = {
    "admin": {READ, *WRITE, CREATE_USER, LIST_USERS},
    "deployer": {READ, *WRITE},
    "cleaner": {READ, *WRITE},
    "trainer": {READ, LOG, CREATE_EXPERIMENT},
    "reader": {READ},
    None: set(),
}
"""What each user may do; None sends no login."""


@pytest.fixture(scope="module")
def model(mlflow_url: str) -> tuple[RegisteredModel, str]:
    """A model whose version 1 is in production, and the run of the version."""
    registered = RegisteredModel(mlflow_url)
    run_id, version = register_empty(registered.registry, {})
    registered.registry.set_alias(PRODUCTION, version)
    return registered, run_id


def send(url: str, user: str | None, call: tuple[str, str], fields: dict[str, str]) -> int:
    """Send a request to MLflow's API as a user, and return the status."""
    method, path = call
    request = httpx.Request(
        method,
        f"{url}/api/2.0/mlflow/{path}",
        params=fields if method == "GET" else None,
        json=None if method == "GET" else fields,
    )
    with httpx.Client(timeout=30) as client:
        return client.send(request, auth=(user, USERS[user]) if user else None).status_code


@pytest.mark.parametrize("user", ALLOWED)
def test_what_each_user_may_do(
    user: str | None, model: tuple[RegisteredModel, str], mlflow_url: str
) -> None:
    """Of the users of pods only `deployer` and `cleaner` create models and move aliases, none lists
    the users, and without a login nothing is allowed.
    """
    registered, run_id = model
    version = {"name": registered.name, "version": "1"}
    alias = {"name": registered.name, "alias": PRODUCTION}
    calls: dict[tuple[str, str], dict[str, str]] = {
        READ: alias,
        LOG: {"run_id": run_id, "key": "k", "value": "v"},
        TAG: {**version, "key": "k", "value": "v"},
        RETRACT: alias,
        MOVE: {**alias, "version": "1"},  # after its deletion, so that it can be read again
        CREATE_EXPERIMENT: {"name": f"experiment of {user}"},
        CREATE_MODEL: {"name": f"model of {user}"},
        LIST_USERS: {},
        CREATE_USER: {"username": f"friend-of-{user}", "password": "long enough for it"},
    }
    refusal = HTTPStatus.FORBIDDEN if user else HTTPStatus.UNAUTHORIZED
    statuses = {call: send(mlflow_url, user, call, fields) for call, fields in calls.items()}
    assert statuses == {call: HTTPStatus.OK if call in ALLOWED[user] else refusal for call in calls}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ajax-api/2.0/mlflow/users/list"),
        ("POST", "/ajax-api/2.0/mlflow/registered-models/create"),
        ("POST", "/api/3.0/mlflow/gateway/secrets/create"),
        ("POST", "/gateway/x/mlflow/invocations"),
    ],
)
def test_what_mlflow_would_let_every_user_do(mlflow_url: str, method: str, path: str) -> None:
    """The routes of the page and of the gateway are refused, too, with the user and the route."""
    login = ("reader", USERS["reader"])
    response = httpx.request(method, mlflow_url + path, json={"name": "mine"}, auth=login)
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert response.text == f"The user 'reader' may not {method} {path}."


@pytest.mark.parametrize("path", ["/", "/version", "/graphql", "/get-artifact", "/metrics"])
def test_nothing_is_readable_without_a_login(mlflow_url: str, path: str) -> None:
    """The page and the downloads need a login as the API does; only /health needs none."""
    assert httpx.get(mlflow_url + path).status_code in {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
    }
    assert httpx.get(f"{mlflow_url}/health").status_code == HTTPStatus.OK


CHANGE_A_PASSWORD = """
import runpy, sys, pathlib
program, folder = sys.argv[1:]
main = runpy.run_path(program)["main"]
main(pathlib.Path(folder))
(pathlib.Path(folder) / "reader" / "MLFLOW_TRACKING_PASSWORD").write_text("another password")
main(pathlib.Path(folder))
from mlflow.server.auth import store
words = ("password of reader", "another password")
print([store.authenticate_user("reader", word) for word in words])
print([user.username for user in store.list_users() if user.is_admin])
"""


def test_a_changed_secret_changes_the_password(tmp_path: Path) -> None:
    """MLflow's pod gives its users the passwords of the Secrets whenever it starts."""
    variables = write_logins(tmp_path, f"sqlite:///{tmp_path}/auth.db", USERS)
    command = [sys.executable, "-c", CHANGE_A_PASSWORD, str(FILES / "users.py")]
    command.append(str(tmp_path / "users"))
    environment = os.environ | variables
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert output.stdout.splitlines()[-2:] == ["[False, True]", "['admin']"]


def test_the_pipeline_names_the_login_that_was_refused(
    model: tuple[RegisteredModel, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, a missing login and a missing permission each have a message."""
    registered, _ = model
    log_in(monkeypatch, "reader")
    with pytest.raises(RegistryError, match=r"The user 'reader' lacks a permission .*\(403\)"):
        registered.registry.set_alias(PRODUCTION, "1")
    monkeypatch.setenv(PASSWORD, "wrong")
    with pytest.raises(RegistryError, match=r"refused the login of 'reader' \(401\)"):
        registered.registry.get_by_alias(PRODUCTION)
    monkeypatch.delenv(USERNAME)
    with pytest.raises(RegistryError, match=r"without a valid login \(401\)"):
        registered.registry.get_by_alias(PRODUCTION)


def test_the_predictor_reads_with_its_login(
    model: tuple[RegisteredModel, str], mlflow_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predictor's client reads the alias as `reader`, and reports a refused login.

    A model that does not exist yet is no missing permission, although MLflow reports it as one.
    """
    registered, _ = model
    log_in(monkeypatch, "reader")
    version = RestRegistry(mlflow_url, registered.name, 30).get_by_alias(PRODUCTION)
    assert version
    assert version.number == "1"
    assert RestRegistry(mlflow_url, "none-yet", 30).get_by_alias(PRODUCTION) is None
    settings = MlflowSettings(tracking_uri=mlflow_url, name="none-yet")
    assert Registry(settings).get_by_alias(PRODUCTION) is None
    monkeypatch.setenv(PASSWORD, "wrong")
    with pytest.raises(RegistryError, match=r"refused the login of 'reader' \(401\)"):
        RestRegistry(mlflow_url, registered.name, 30).get_by_alias(PRODUCTION)


def test_login_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user and password, or a token, become the header; without them there is none."""
    for name in (USERNAME, PASSWORD, TOKEN):
        monkeypatch.delenv(name, raising=False)
    assert get_authorization() is None
    monkeypatch.setenv(TOKEN, "abc")
    assert get_authorization() == "Bearer abc"
    monkeypatch.setenv(USERNAME, "ada")
    monkeypatch.setenv(PASSWORD, "pass:word")
    assert get_authorization() == "Basic YWRhOnBhc3M6d29yZA=="


def test_the_stage_table_names_users_of_the_chart() -> None:
    """A stage has the login of a user of the chart, and none has the administrator's."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    with_client = {
        stage.name for stage in STAGES if {"include-group": "tracking"} in groups[stage.name]
    }
    assert with_client == {stage.name for stage in STAGES if stage.mlflow_user}
    used = {stage.mlflow_user for stage in STAGES}
    assert used == {None, "trainer", "deployer", "reader"}
    assert used - {None} == USERS.keys() - {"admin", "cleaner"}
