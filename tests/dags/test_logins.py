"""What each role may do in Airflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.airflow_app import (
    configure_airflow,
    create_users,
    log_in,
    request_token,
    run_api_server,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Airflow's server are not ours

PASSWORDS = {"viewer": "v", "operator": "o", "approver": "p", "admin": "a"}
APPROVAL = "/dags/deployment/dagRuns/none/taskInstances/approve/-1/hitlDetails"

FORBIDDEN, MISSING, OK = 403, 404, 200
"""A request that is allowed finds no such DAG or task, because the database has none."""

MATRIX: dict[tuple[str, str], dict[str, int]] = {
    ("GET", "/dags"): dict.fromkeys(PASSWORDS, OK),
    ("POST", "/dags/training/dagRuns"): {"operator": MISSING, "admin": MISSING},
    ("POST", "/dags/training/clearTaskInstances"): {"operator": MISSING, "admin": MISSING},
    ("PATCH", "/dags/training"): {"operator": MISSING, "admin": MISSING},
    ("DELETE", "/dags/training"): {"admin": MISSING},
    ("PATCH", APPROVAL): {"approver": MISSING, "admin": MISSING},
    ("PATCH", APPROVAL.replace("deployment", "training")): {"admin": MISSING},
    ("GET", "/connections"): {"admin": OK},
    ("GET", "/variables"): {"admin": OK},
    ("POST", APPROVAL.replace("-1/hitlDetails", "xcomEntries")): {"admin": MISSING},
    ("GET", "/config"): {},
}
"""The status of each request by role; those that are not named may not send it."""

BODIES: dict[str, Any] = {
    "dagRuns": {"logical_date": None},
    "clearTaskInstances": {"dry_run": True},
    "training": {"is_paused": True},
    "hitlDetails": {"chosen_options": ["Approve"], "params_input": {}},
    "xcomEntries": {"key": "return_value", "value": "Approve"},
}


@pytest.fixture(scope="module")
def airflow() -> Iterator[Any]:
    """Airflow with local users."""
    with configure_airflow():
        create_users(**PASSWORDS)
        with run_api_server() as client:
            yield client


@pytest.fixture(scope="module")
def headers(airflow: Any) -> dict[str, dict[str, str]]:
    """The header of each local user's requests."""
    return {user: log_in(airflow, user, password) for user, password in PASSWORDS.items()}


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_what_each_role_may_do(
    airflow: Any, headers: dict[str, dict[str, str]], method: str, path: str
) -> None:
    """An operator starts runs and approves nothing; an approver approves and starts nothing."""
    body = BODIES.get(path.rpartition("/")[2]) if method in ("POST", "PATCH") else None
    found = {
        role: airflow.request(method, f"/api/v2{path}", json=body, headers=headers[role])
        for role in PASSWORDS
    }
    statuses = {role: response.status_code for role, response in found.items()}
    assert statuses == dict.fromkeys(PASSWORDS, FORBIDDEN) | MATRIX[method, path]


def test_requests_need_a_login(airflow: Any) -> None:
    """Without a token, and with a wrong password, Airflow answers nothing."""
    assert airflow.get("/api/v2/dags").status_code == 401
    assert request_token(airflow, "admin", "wrong").status_code == 401


def test_guesses_are_limited(airflow: Any) -> None:
    """After 20 wrong passwords of a user, even the right one is refused for a while."""
    create = [request_token(airflow, "Viewer", f"guess {count}").status_code for count in range(20)]
    assert create == [401] * 20
    assert request_token(airflow, "viewer", PASSWORDS["viewer"]).status_code == 401
    assert request_token(airflow, "operator", PASSWORDS["operator"]).status_code == 201


def test_the_form_logs_in(airflow: Any) -> None:
    """A person logs in with Airflow's form, and the cookie opens the API."""
    page = airflow.get("/auth/login/")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token
    form = {"username": "operator", "password": PASSWORDS["operator"], "csrf_token": token[1]}
    assert airflow.get("/api/v2/dags").status_code == 401
    answer = airflow.post("/auth/login/", data=form)
    assert answer.status_code == 302
    airflow.get(answer.headers["Location"])
    assert airflow.get("/api/v2/dags").status_code == 200
    airflow.cookies.clear()
