"""What each role may do in Airflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.airflow_app import (
    configure_airflow,
    create_users,
    log_in,
    request_token,
    run_api_server,
)
from tests.support.role_requests.airflow import ROWS
from tests.support.roles_page import NO_LOGIN, read_roles

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Airflow's server are not ours

PASSWORDS = {"viewer": "v", "operator": "o", "approver": "p", "admin": "a"}
PAGE = read_roles()["Airflow"]


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


@pytest.mark.parametrize("row", ROWS)
def test_what_each_role_may_do(airflow: Any, headers: dict[str, dict[str, str]], row: str) -> None:
    """Each request has the result of docs/reference/roles.md.

    The database has no DAG, so 404 shows that a request is allowed.
    """
    expected = {person: PAGE[row][person] for person in (NO_LOGIN, *PASSWORDS)}
    for request in ROWS[row]:
        call = replace(request.fill(run="unknown"), allowed=(404,))
        found = {
            person: call.describe(
                airflow.request(call.method, call.path, json=call.body, headers=headers.get(person))
            )
            for person in expected
        }
        assert found == expected, call


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
