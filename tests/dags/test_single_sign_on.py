"""Logins of people at an issuer, and of programs as local users."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.support.airflow_app import (
    configure_airflow,
    create_users,
    log_in,
    request_token,
    run_api_server,
)
from tests.support.certificates import write_certificate
from tests.support.http_server import serve
from tests.support.issuer import CLIENT_ID, new_key
from tests.support.login_issuer import ACCESS_TOKEN, CLIENT_SECRET, CODE, LoginIssuer

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Airflow's server are not ours

APPROVAL = "/api/v2/dags/deployment/dagRuns/none/taskInstances/approve/-1/hitlDetails"
CALLBACK = "/auth/oauth-authorized/oidc"
REFUSAL = "This account has no role in Airflow"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of the issuer that no public authority has signed, and its key."""
    return write_certificate(tmp_path_factory.mktemp("issuer"), "localhost")


@pytest.fixture(scope="module")
def issuer(certificate: tuple[Path, Path]) -> Iterator[LoginIssuer]:
    """The issuer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    issuer = LoginIssuer()
    with serve(issuer.handle, tls=context) as url:
        issuer.url = url.replace("127.0.0.1", "localhost")
        yield issuer


@pytest.fixture(scope="module")
def airflow(issuer: LoginIssuer, certificate: tuple[Path, Path]) -> Iterator[Any]:
    """Airflow after its Secret was replaced: a new password and name, and one user less."""
    roles = {"viewer": ["staff"], "tutor": ["tutors"], "approver": ["heads"], "admin": ["admin"]}
    settings = {
        "REQUESTS_CA_BUNDLE": str(certificate[0]),
        "OIDC_ISSUER": issuer.url,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_SCOPES": "openid email profile",
        "OIDC_ROLES_CLAIM": "roles",
        "OIDC_ROLES": json.dumps(roles),
    }
    with configure_airflow(**settings):
        create_users(viewer="v", operator="old", admin="a")
        create_users("root", operator="new", admin="a")
        with run_api_server() as client:
            yield client


@pytest.fixture
def log_in_at_issuer(airflow: Any, issuer: LoginIssuer) -> Iterator[Any]:
    """Return a function that lets a person log in, and returns the last page's text."""

    def log_in_at_issuer(*roles: str, **claims: Any) -> str:
        airflow.cookies.clear()
        issuer.claims = {"roles": roles, **claims}
        redirect = airflow.get("/auth/login/oidc")
        location = urlsplit(redirect.headers["Location"])
        assert f"{location.scheme}://{location.netloc}{location.path}" == f"{issuer.url}/authorize"
        issuer.authorization = {name: value for name, (value,) in parse_qs(location.query).items()}
        assert issuer.authorization["redirect_uri"] == f"http://testserver{CALLBACK}"
        query = {"code": CODE, "state": issuer.authorization["state"]}
        page = airflow.get(f"{CALLBACK}?{urlencode(query)}", follow_redirects=True)
        return str(page.text)

    yield log_in_at_issuer
    airflow.cookies.clear()


def get_me(airflow: Any) -> tuple[int, str]:
    """Return the status of a request for the DAGs, and the person's name."""
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    FabAuthManager.cache.clear()  # which has a person's roles for 30 seconds
    status = airflow.get("/api/v2/dags").status_code
    return status, airflow.get("/ui/auth/me").json().get("username", "")


def test_a_person_has_the_roles_of_the_claim(airflow: Any, log_in_at_issuer: Any) -> None:
    """They follow the claim at each login, and the name is that of the promotion record."""
    answer = {"chosen_options": ["Approve"], "params_input": {}}
    for roles, status in ((("heads", "unknown"), 404), (("staff",), 403)):
        log_in_at_issuer(*roles)
        assert get_me(airflow) == (200, "anna")
        assert airflow.patch(APPROVAL, json=answer).status_code == status  # 404: there is no run


def test_a_person_may_get_another_name(airflow: Any, log_in_at_issuer: Any) -> None:
    """The subject is the person, not the name."""
    log_in_at_issuer("staff", sub="9a", preferred_username="berta")
    log_in_at_issuer("staff", sub="9a", preferred_username="berta-maria")
    assert get_me(airflow) == (200, "berta-maria")


@pytest.mark.parametrize(
    ("roles", "claims"),
    [
        ((), {}),
        (("unknown",), {"sub": "new", "preferred_username": "new"}),
        (("tutors",), {}),
        (("admin",), {"sub": "new", "preferred_username": "operator"}),
        (("admin",), {"sub": "new", "preferred_username": "Anna"}),
    ],
    ids=["no role", "unknown role", "no role here", "local user's name", "another person's name"],
)
def test_who_is_not_let_in(
    airflow: Any, log_in_at_issuer: Any, roles: tuple[str, ...], claims: dict[str, Any]
) -> None:
    """The page gives the reason, and the session opens nothing."""
    log_in_at_issuer("staff")
    assert REFUSAL in log_in_at_issuer(*roles, **claims)
    assert get_me(airflow) == (401, "")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["another", "third"], "azp": CLIENT_ID},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"nonce": "of another login"},
        {"sub": None},
    ],
    ids=str,
)
def test_which_tokens_are_refused(
    airflow: Any, log_in_at_issuer: Any, claims: dict[str, Any]
) -> None:
    """A token counts only if it is the issuer's, for this client and this login."""
    log_in_at_issuer("admin", **claims)
    assert get_me(airflow) == (401, "")


def test_a_strangers_key_is_refused(
    airflow: Any, issuer: LoginIssuer, log_in_at_issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature is checked with the keys that the issuer publishes."""
    monkeypatch.setattr(issuer, "key", new_key(str(issuer.key.kid)))
    log_in_at_issuer("admin")
    assert get_me(airflow) == (401, "")


def test_tokens_are_not_stored(log_in_at_issuer: Any) -> None:
    """The database has the session, without the tokens of the issuer."""
    from airflow.utils.session import create_session
    from sqlalchemy import text

    log_in_at_issuer("staff")
    with create_session() as session:
        rows = [bytes(data) for (data,) in session.execute(text("SELECT data FROM session"))]
    assert rows
    assert not any(ACCESS_TOKEN.encode() in data for data in rows)


def test_programs_log_in_with_the_secrets_passwords(airflow: Any) -> None:
    """Also with an issuer. Who is no longer in the Secret, or has another password, is refused."""
    assert airflow.get("/api/v2/connections", headers=log_in(airflow, "root", "a")).is_success
    assert airflow.get("/api/v2/dags", headers=log_in(airflow, "operator", "new")).is_success
    for user, password in (("operator", "old"), ("viewer", "v"), ("admin", "a"), ("anna", "!")):
        assert request_token(airflow, user, password).status_code == 401, user
    assert 'type="password"' not in airflow.get("/auth/login/").text
