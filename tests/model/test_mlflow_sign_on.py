"""People with ID tokens at a real MLflow server, whose issuer is part of the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.polling import poll_until
from tests.support.issuer import CLIENT_ID, Issuer, run_issuer
from tests.support.mlflow_server import USERS, mlflow_server
from tests.support.role_requests.mlflow import ARTIFACTS, ROWS
from tests.support.roles_page import NO_LOGIN, NO_ROLE, read_roles

ROLES = {
    "viewer": ["viewer", "all-staff"],
    "tutor": ["tutor"],
    "operator": ["operator"],
    "approver": ["approver"],
    "admin": ["admin"],
}
MODEL, ALIAS = "pass-fail", "production"
API, AJAX = "/api/2.0/mlflow", "/ajax-api/2.0/mlflow"


@dataclass(frozen=True)
class Server:
    """A server that accepts tokens, with an experiment, a run and a registered model."""

    url: str
    issuer: Issuer
    names: dict[str, str] = field(default_factory=dict)

    def send(self, call: tuple[str, str], token: str | None = None, **options: Any) -> int:
        """Send a request of CALLS or of another route, and return the status."""
        return self.request(call, token, **options).status_code

    def request(
        self, call: tuple[str, str], token: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request; its fields are those of CALLS, with the names of the server."""
        method, path = call
        options.setdefault("json" if method != "GET" else "params", self.get_fields(call))
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        for name, value in self.names.items():
            path = path.replace(name, value)
        return httpx.request(method, self.url + path, headers=headers, timeout=30, **options)

    def get_fields(self, call: tuple[str, str]) -> dict[str, Any]:
        """Return the fields of a call."""
        return {
            name: self.names.get(value, value) if isinstance(value, str) else value
            for name, value in CALLS.get(call, {}).items()
        }


CALLS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", f"{API}/experiments/search"): {"max_results": 5},
    ("POST", f"{AJAX}/runs/search"): {"experiment_ids": ["0"]},
    ("GET", f"{API}/registered-models/alias"): {"name": MODEL, "alias": ALIAS},
    ("POST", "/graphql"): {"query": "{__typename}"},
    ("GET", "/"): {},
    ("POST", f"{API}/runs/set-tag"): {"run_id": "RUN_ID", "key": "k", "value": "v"},
    ("POST", f"{API}/runs/create"): {"experiment_id": "EXPERIMENT_ID"},
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/EXPERIMENT_ID/RUN_ID/artifacts/a.txt"): {},
    ("POST", f"{API}/runs/delete"): {"run_id": "RUN_ID"},
    ("POST", f"{API}/registered-models/alias"): {"name": MODEL, "alias": ALIAS, "version": "1"},
    ("POST", f"{API}/model-versions/set-tag"): {
        "name": MODEL,
        "version": "1",
        "key": "k",
        "value": "v",
    },
    ("POST", f"{API}/registered-models/set-tag"): {"name": MODEL, "key": "k", "value": "v"},
    ("POST", f"{API}/webhooks"): {"name": "x"},
    ("GET", f"{AJAX}/gateway-proxy"): {"gateway_path": "api/2.0/endpoints/"},
    ("PATCH", f"{API}/users/update-password"): {
        "username": "deployer",
        "password": "a password of mine",
    },
    ("DELETE", f"{API}/users/delete"): {"username": "nobody"},
    ("GET", f"{API}/users/list"): {},
    ("GET", f"{AJAX}/users/list"): {},
}
"""The routes of the matrix, each with the fields of its request."""
ROUTES = list(CALLS)
READS, EDITS = ROUTES[:5], ROUTES[5:8]
MAY = {
    "viewer": READS,
    "all-staff": READS,
    "approver": READS,
    "operator": READS + EDITS,
    "tutor": [],
    "": [],
}
"""What people may do whose token has a value."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that accepts the tokens of an issuer."""
    with run_issuer() as issuer:
        variables = {
            "OIDC_ISSUER": issuer.url,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_ROLES_CLAIM": "roles",
            "OIDC_ROLES": json.dumps(ROLES),
        }
        folder: Path = tmp_path_factory.mktemp("sign-on")
        with mlflow_server(folder, USERS, variables) as url:
            yield Server(url, issuer, fill(url))


def fill(url: str) -> dict[str, str]:
    """Create an experiment, a run and a model as `admin`; return the ids that CALLS needs."""

    def call(path: str, **fields: Any) -> dict[str, Any]:
        login = ("admin", USERS["admin"])
        response = httpx.post(f"{url}{API}/{path}", json=fields, auth=login, timeout=30)
        response.raise_for_status()
        content: dict[str, Any] = response.json()
        return content

    experiment = call("experiments/create", name="pass-fail")["experiment_id"]
    run = call("runs/create", experiment_id=experiment)["run"]["info"]
    artifact = f"{ARTIFACTS}/{experiment}/{run['run_id']}/artifacts/serving/manifest.json"
    login = ("admin", USERS["admin"])
    httpx.put(url + artifact, content=b"{}", auth=login, timeout=30).raise_for_status()
    call("registered-models/create", name=MODEL)
    call("model-versions/create", name=MODEL, source=run["artifact_uri"], run_id=run["run_id"])
    call("registered-models/alias", name=MODEL, alias=ALIAS, version="1")
    return {"EXPERIMENT_ID": experiment, "RUN_ID": run["run_id"]}


@pytest.mark.parametrize("value", MAY)
def test_what_each_role_may_do(server: Server, value: str) -> None:
    """People read by role, operators also write runs, and nobody else changes anything."""
    token = server.issuer.sign(value)
    allowed = {call for call in ROUTES if server.send(call, token) not in (401, 403)}
    assert allowed == set(MAY[value])
    assert {server.send(call, token) for call in MAY[value]} <= {200}


@pytest.mark.parametrize("row", ROWS)
def test_the_results_of_the_page(server: Server, row: str) -> None:
    """Each request has the result that docs/reference/roles.md shows for each person."""
    names = {
        "model": MODEL,
        "experiment": server.names["EXPERIMENT_ID"],
        "run": server.names["RUN_ID"],
        "version": "1",
    }
    expected = read_roles()["MLflow"][row]
    for request in ROWS[row]:
        call = request.fill(**names)
        found = {}
        for person in expected:
            options = call.get_options()
            if person != NO_LOGIN:
                token = server.issuer.sign(*() if person == NO_ROLE else (person,))
                options["headers"]["Authorization"] = f"Bearer {token}"
            response = httpx.request(call.method, server.url + call.path, timeout=30, **options)
            found[person] = call.describe(response)
        assert found == expected, call


def test_what_an_admin_may_do(server: Server) -> None:
    """An administrator is refused nothing: what fails then fails for its fields."""
    token = server.issuer.sign("viewer", "admin", preferred_username="head")
    unsafe = {"runs/delete", "users/update-password"}
    calls = [call for call in ROUTES if call[1].removeprefix(f"{API}/") not in unsafe]
    statuses = {call: server.send(call, token) for call in calls}
    assert not {401, 403, 500} & set(statuses.values()), statuses
    created = {"username": "friend", "password": "long enough for it"}
    assert server.send(("POST", f"{API}/users/create"), token, json=created) == 200


@pytest.mark.parametrize("role", ["viewer", "operator"])
@pytest.mark.parametrize(
    "path", ["registered-models/create", "users/create", "roles/create", "prompts/create"]
)
def test_what_mlflow_would_let_everybody_create(server: Server, role: str, path: str) -> None:
    """MLflow makes the creator of a model its manager; only administrators may create one."""
    call = ("POST", f"{API}/{path}")
    fields = {"name": "mine", "username": "mine", "password": "long enough for it"}
    response = server.request(call, server.issuer.sign(role), json=fields)
    assert (response.status_code, response.text) == (
        403,
        f"The role '{role}' may not POST {API}/{path}.",
    )


def test_the_routes_that_need_a_login(server: Server) -> None:
    """Every route needs a token, those that MLflow serves without Flask, too."""
    paths = [
        *("/", "/graphql", "/version", "/signup", f"{API}/experiments/search"),
        "/gateway/x/mlflow/invocations",
        "/v1/traces",
        "/ajax-api/3.0/jobs/search",
        "/ajax-api/3.0/mlflow/assistant/config",
        "/api/2.0/mlflow-artifacts/artifacts?path=1",
        "/ajax-api/2.0/mlflow-artifacts/artifacts/1/x/artifacts/a.txt",
        "/ajax-api/3.0/mlflow/mcp-servers",
    ]
    forged = server.issuer.forge("admin")["a stranger's key with this id"]
    for path in paths:
        for method in ("GET", "POST", "PUT"):
            for token in (None, forged):
                status = server.send((method, path), token)
                assert status in (401, 404, 405), f"{method} {path}: {status}"
    assert server.send(("GET", "/health")) == 200


def test_no_person_reaches_other_services(server: Server) -> None:
    """The gateway and the assistant are for administrators only."""
    token = server.issuer.sign("operator")
    for path in ("/gateway/x/mlflow/invocations", "/ajax-api/3.0/mlflow/assistant/config"):
        for method in ("GET", "POST"):
            assert server.send((method, path), token) == 403, path


def test_forged_tokens(server: Server) -> None:
    """A token is refused for each of its faults, with the reason."""
    call = ROUTES[0]
    for fault, token in server.issuer.forge("admin").items():
        response = server.request(call, token)
        assert response.status_code == 401, fault
        assert response.text.startswith("This token is not valid: "), fault
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"], fault


def test_nobody_becomes_a_service_user(server: Server) -> None:
    """A person with the name of a user of the chart has no permission of that user."""
    move = ("POST", f"{API}/registered-models/alias")
    for name in USERS:
        token = server.issuer.sign("operator", preferred_username=name)
        assert server.send(move, token) == 403, name
        token = server.issuer.sign(preferred_username=name)
        response = server.request(ROUTES[0], token)
        assert response.status_code == 403
        assert response.text.startswith(f"'{name}' has no role for MLflow. The claim 'roles' ")


def test_a_lost_role_is_lost_at_once(server: Server) -> None:
    """What an operator may do with an experiment of theirs is over with their role."""
    operator, viewer = server.issuer.sign("operator"), server.issuer.sign("viewer")
    create = ("POST", f"{API}/experiments/create")
    created = server.request(create, operator, json={"name": "mine"}).json()["experiment_id"]
    rename = ("POST", f"{API}/experiments/update")
    fields = {"experiment_id": created, "new_name": "yours"}
    assert server.send(rename, viewer, json=fields) == 403
    assert server.send(rename, operator, json=fields) == 200


def test_passwords_still_work(server: Server) -> None:
    """The users of the chart log in with their passwords, and only with them."""
    call = ("GET", f"{API}/users/current")
    user = server.request(call, auth=("reader", USERS["reader"])).json()["user"]
    assert (user["username"], user["is_admin"]) == ("reader", False)
    assert server.send(call, auth=("reader", "wrong")) == 401
    assert server.send(ROUTES[9], auth=("deployer", USERS["deployer"])) == 200
    token = server.issuer.sign("viewer", preferred_username="anna")
    user = server.request(call, token).json()["user"]
    assert (user["username"], user["is_admin"]) == ("viewer:anna", False)


def test_an_expired_token_is_forgotten(server: Server) -> None:
    """A token that was accepted is refused once it has expired, by clocks that may differ."""
    leeway = 30
    token = server.issuer.sign("viewer", exp=int(time.time()) - leeway + 2)
    assert server.send(ROUTES[0], token) == 200

    def is_refused() -> bool | None:
        return server.send(ROUTES[0], token) == 401 or None

    assert poll_until(is_refused, timeout_seconds=20, interval_seconds=0.2)
