"""Tokens of single sign-on: which are accepted, and what the roles of their owners allow."""

from __future__ import annotations

import asyncio
import hmac
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from serving.access import tokens
from serving.access.issuer import ALGORITHMS, IssuerError, fetch_keys
from serving.app import create_fastapi
from serving.http.problems import BadToken
from serving.http.rows import EXAMPLE
from serving.permissions import ALLOWED, ROUTES, Access, Role
from serving.service import Service
from serving.settings import OidcSettings, Settings
from tests.support.certificates import write_certificate
from tests.support.issuer import KEYS, Issuer, encode, run_issuer
from tests.support.predictor import (
    Predictor,
    get_metric,
    run_predictor,
    wait_for,
    wait_until_ready,
)

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
P384 = ECKey.generate_key("P-384", {"kid": "p-384"})
OTHER_CLAIM = {"oidc__roles_claim": "https://school.org/groups"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer with keys for each algorithm, and for what the predictor does not know."""
    with run_issuer() as running:
        running.key = make_key("first")
        running.published = [running.key, RSA, P384]
        running.unusable = [{"kty": "EC", "crv": "unknown", "x": "AA", "y": "AA"}, {"kty": "new"}]
        yield running


@pytest.fixture(scope="module")
def predictor(issuer: Issuer, folder: Path) -> Iterator[Predictor]:
    """A predictor that accepts the issuer's tokens and the platform's key."""
    roles = json.dumps({role: [role, f"school-{role}"] for role in Role})
    settings = {"api_key": "of the stages", "cors_origins": "https://lms.school.org"}
    with run_predictor(folder, oidc__issuer=issuer.url, oidc__roles=roles, **settings) as running:
        wait_until_ready(running)
        wait_for(lambda: get_metric(running, "predictor_issuer_contact_timestamp_seconds"))
        yield running


def make_key(key_id: str) -> ECKey:
    """Return a new key for ES256."""
    return ECKey.generate_key("P-256", {"kid": key_id})


def predict(predictor: Predictor, token: str, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {token}"} | headers
    return httpx.post(f"{predictor.url}/predict", json=EXAMPLE, headers=sent, timeout=30)


def list_operations() -> list[tuple[str, str]]:
    """Every method and path of the application."""
    paths = create_fastapi(Service(Settings())).openapi()["paths"]
    documented = [(method.upper(), path) for path in paths for method in paths[path]]
    return [*documented, ("GET", "/openapi.json"), ("GET", "/reports/drift_page.html")]


def call(url: str, method: str, path: str, token: str = "") -> httpx.Response:
    """Send a request without a body."""
    filled = path.replace("{name}", "student-performance").replace("{version}", "1")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, f"{url}{filled}", headers=headers, timeout=30)


@pytest.mark.parametrize("role", [None, *Role])
def test_the_roles_of_each_route(predictor: Predictor, issuer: Issuer, role: Role | None) -> None:
    """Each route is open, or needs one of its roles: 401 without a login, 403 without a role."""
    token = issuer.sign(role or "nothing")
    for method, path in list_operations():
        access = ROUTES["/reports/{name}" if path.startswith("/reports") else path]
        anonymous = call(predictor.url, method, path).status_code
        response = call(predictor.url, method, path, token)
        if access is Access.OPEN:
            assert 401 not in (anonymous, response.status_code), path
            assert response.status_code != 403, path
            continue
        assert anonymous == 401, path
        if role in ALLOWED[access]:
            assert response.status_code not in (401, 403), (path, response.text)
            continue
        assert response.status_code == 403, path
        assert response.json()["roles"] == [one for one in Role if one in ALLOWED[access]]


def test_every_route_is_declared() -> None:
    """A route that the table does not have would fail."""
    app = create_fastapi(Service(Settings()))
    paths = {getattr(route, "path", "") for route in app.routes if hasattr(route, "path")}
    documented = set(app.openapi()["paths"])
    assert paths | documented <= set(ROUTES)


def test_a_missing_role_is_named(predictor: Predictor, issuer: Issuer) -> None:
    """The sentence has the role of the person and those that would do."""
    refused = predict(predictor, issuer.sign("viewer"))
    assert refused.json()["detail"] == (
        "The role viewer does not allow access to predictions. Ask the operator for one of these "
        "roles: admin, operator, tutor"
    )
    nobody = predict(predictor, issuer.sign()).json()["detail"]
    assert nobody.startswith("Your account has no role, and so no access to predictions.")
    wait_for(lambda: "refused with 403: POST '/predict'" in predictor.read_log())


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["tutor"], 200),
        (["viewer", "other", "school-tutor"], 200),
        (["approver", "viewer"], 403),
        ("tutor", 200),
        ("tutors", 403),
        (None, 403),
        ({"tutor": True}, 403),
        ([["tutor"], 1, None], 403),
    ],
)
def test_values_of_the_claim(
    predictor: Predictor, issuer: Issuer, values: object, status: int
) -> None:
    """Of several roles the highest counts; other values and types give none."""
    assert predict(predictor, issuer.sign(roles=values)).status_code == status


def test_keys_of_programs_still_work(predictor: Predictor) -> None:
    """They may use each route, and wrong ones are refused."""
    assert predict(predictor, "of the stages").status_code == 200
    assert call(predictor.url, "GET", "/model", "of the stages").status_code == 200
    assert predict(predictor, "eyJ").status_code == 401
    assert call(predictor.url, "POST", "/predict").status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic TOKEN"}])
def test_a_token_elsewhere(predictor: Predictor, issuer: Issuer, headers: dict[str, str]) -> None:
    """Only a bearer token logs in, even once the token is known."""
    token = issuer.sign("tutor")
    assert predict(predictor, token).status_code == 200
    assert predict(predictor, token, Authorization=f"bearer  {token}").status_code == 200
    sent = {name: value.replace("TOKEN", token) for name, value in headers.items()}
    for other in (sent, sent | {"X-API-Key": token}):
        answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE, headers=other, timeout=30)
        assert answer.status_code == 401, other


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithms(predictor: Predictor, issuer: Issuer, algorithm: str) -> None:
    key = {"ES256": issuer.key, "ES384": P384}.get(algorithm, RSA)
    assert predict(predictor, issuer.sign("tutor", key=key, header={"alg": algorithm})).is_success


def forge_signature(issuer: Issuer) -> str:
    head, payload, _ = issuer.sign("tutor").split(".")
    return f"{head}.{payload}.{encode(bytes(64))}"


def change_the_role(issuer: Issuer) -> str:
    head, _, signature = issuer.sign("viewer").split(".")
    return f"{head}.{encode(issuer.make_claims('admin'))}.{signature}"


def use_no_algorithm(issuer: Issuer) -> str:
    head = encode({"alg": "none", "kid": "first"})
    return f"{head}.{encode(issuer.make_claims('tutor'))}."


def sign_with_the_public_key(issuer: Issuer) -> str:
    """HS256, whose secret is the published key."""
    head = encode({"alg": "HS256", "kid": "rsa"})
    signed = f"{head}.{encode(issuer.make_claims('tutor'))}"
    secret = RSA.as_pem(private=False)
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), 'sha256'))}"


def name_another_key(issuer: Issuer) -> str:
    """Its own key under the id of the issuer's, and in the header."""
    own = make_key("first")
    return issuer.sign("tutor", key=own, header={"jwk": own.as_dict(private=False)})


def nest_lists(_: Issuer) -> str:
    return encode(b'{"a":' + b"[" * 370) + ".e30.AA"


LATER = 10**6
ATTACKS: list[tuple[Callable[[Issuer], str], str]] = [
    (forge_signature, "its signature is wrong"),
    (change_the_role, "its signature is wrong"),
    (use_no_algorithm, "Algorithm of 'none' is not allowed"),
    (sign_with_the_public_key, "Algorithm of 'HS256' is not allowed"),
    (name_another_key, "its signature is wrong"),
    (nest_lists, "Invalid header"),
    (lambda issuer: issuer.sign("tutor", key=RSA, header={"alg": "PS512"}), "PS512"),
    (lambda issuer: issuer.sign("tutor", key=make_key("unknown")), "the issuer has no such key"),
    (lambda issuer: issuer.sign("tutor", header={"kid": None}), "the issuer has no such key"),
    (lambda issuer: issuer.sign("tutor", header={"kid": "rsa"}), "requires 'EC' key"),
    (lambda issuer: issuer.sign("tutor", aud="another"), "aud"),
    (lambda issuer: issuer.sign("tutor", aud=None), "aud"),
    (lambda issuer: issuer.sign("tutor", iss="https://evil.test"), "iss"),
    (lambda issuer: issuer.sign("tutor", iss=None), "iss"),
    (lambda issuer: issuer.sign("tutor", sub=None), "sub"),
    (lambda issuer: issuer.sign("tutor", exp=None), "exp"),
    (lambda issuer: issuer.sign("tutor", exp="never"), "exp"),
    (lambda issuer: issuer.sign("tutor", exp=time.time() - 31), "it has expired"),
    (lambda issuer: issuer.sign("tutor", nbf=time.time() + 60), "not yet valid"),
    (lambda issuer: issuer.sign("tutor") + "A", ""),
    (lambda issuer: "eyJ..", ""),
    (lambda issuer: "eyJhbGciOiJFUzI1NiJ9.AA", "The API key is missing or wrong"),
]


@pytest.mark.parametrize(("attack", "reason"), ATTACKS)
def test_a_token_is_refused(
    predictor: Predictor, issuer: Issuer, attack: Callable[[Issuer], str], reason: str
) -> None:
    """It gets 401 with the reason, on routes that answer and on routes that describe."""
    token = attack(issuer)
    refused = predict(predictor, token)
    assert (refused.status_code, reason in refused.json()["detail"]) == (401, True), refused.text
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert call(predictor.url, "GET", "/model", token).status_code == 401


def test_clocks_may_differ(predictor: Predictor, issuer: Issuer) -> None:
    now = time.time()
    for claims in ({"exp": now - 20}, {"nbf": now + 20}, {"aud": ["another", "student-mlops"]}):
        assert predict(predictor, issuer.sign("tutor", **claims)).status_code == 200


def test_a_stored_token_expires(
    predictor: Predictor, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it was accepted before does not matter."""
    token = issuer.sign("tutor", exp=int(time.time()) - 28)
    assert predict(predictor, token).status_code == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3)
    assert predict(predictor, token).status_code == 401


def test_callers_are_counted_by_role(predictor: Predictor, issuer: Issuer) -> None:
    """Metrics and log have no name and no token."""
    token = issuer.sign("operator")
    before = get_metric(predictor, "predictor_role_rows_total")
    assert predict(predictor, token).status_code == 200
    assert get_metric(predictor, "predictor_role_rows_total") == before + 1
    predict(predictor, issuer.sign("viewer"))
    shown = httpx.get(f"{predictor.url}/metrics").text + predictor.read_log()
    assert 'predictor_role_requests_total{role="operator"}' in shown
    assert 'predictor_token_refused_total{reason="forbidden"}' in shown
    for secret in ("anna", "7f3c", token[:40]):
        assert secret not in shown


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://OWN"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://lms.school.org"}, 200),
    ],
)
def test_requests_of_other_sites(
    predictor: Predictor, issuer: Issuer, headers: dict[str, str], status: int
) -> None:
    """A login proxy adds the token to requests of other sites too; those may only read."""
    sent = {
        name: value.replace("OWN", f"127.0.0.1:{predictor.port}") for name, value in headers.items()
    }
    token = issuer.sign("tutor")
    assert predict(predictor, token, **sent).status_code == status
    authorized = {"Authorization": f"Bearer {token}"} | sent
    assert httpx.get(f"{predictor.url}/model", headers=authorized).status_code == 200


def test_a_report_without_a_login(predictor: Predictor, issuer: Issuer) -> None:
    """A browser gets a page that leads to the login, or has the missing role."""
    headers = {"Accept": "text/html"}
    for path, home in (("card", "../"), ("run/model_card.html", "../../")):
        page = httpx.get(f"{predictor.url}/reports/{path}", headers=headers)
        assert (page.status_code, f'<a href="{home}">' in page.text) == (401, True)
        assert "Log in on the predictor" in page.text
    headers["Authorization"] = f"Bearer {issuer.sign()}"
    page = httpx.get(f"{predictor.url}/reports/card", headers=headers)
    assert (page.status_code, "Your account has no role" in page.text) == (403, True)


def test_the_session_of_a_proxy(predictor: Predictor, issuer: Issuer) -> None:
    """The page learns that a login proxy began it, and the name of the person."""
    session = call(predictor.url, "GET", "/session", issuer.sign("viewer")).json()
    assert session == {
        "is_required": True,
        "name": "anna",
        "expires": None,
        "is_proxied": True,
    }
    assert call(predictor.url, "GET", "/session", forge_signature(issuer)).status_code == 401


def test_a_new_key_of_the_issuer(
    predictor: Predictor, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token with an unknown key causes one fetch; others within a minute cause none."""
    monkeypatch.setattr(tokens, "UNKNOWN_KEY_SECONDS", 0.0)
    new = make_key("new")
    issuer.published.append(new)
    fetches = issuer.requests.count(KEYS)
    assert predict(predictor, issuer.sign("tutor", key=new)).status_code == 200
    assert issuer.requests.count(KEYS) == fetches + 1
    monkeypatch.setattr(tokens, "UNKNOWN_KEY_SECONDS", 60.0)
    for number in range(5):
        unknown = make_key(f"unknown-{number}")
        assert predict(predictor, issuer.sign("tutor", key=unknown)).status_code == 401
    assert issuer.requests.count(KEYS) == fetches + 1


def test_a_withdrawn_key(
    predictor: Predictor, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens that it signed are refused after the next fetch, even if they were accepted."""
    monkeypatch.setattr(tokens, "UNKNOWN_KEY_SECONDS", 0.0)
    withdrawn, kept = make_key("withdrawn"), issuer.sign("tutor")
    issuer.published.append(withdrawn)
    token = issuer.sign("tutor", key=withdrawn)
    assert predict(predictor, token).status_code == 200
    issuer.published.remove(withdrawn)
    assert predict(predictor, issuer.sign(key=make_key("unknown"))).status_code == 401
    assert predict(predictor, token).status_code == 401
    assert predict(predictor, kept).status_code == 200


def test_the_issuer_is_down(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens get 503 until the keys are known, keys of programs work, and known keys stay valid."""
    monkeypatch.setattr(tokens, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(tokens, "UNKNOWN_KEY_SECONDS", 0.0)
    with run_issuer() as issuer:
        issuer.available = False
        settings = {"api_key": "of the stages", "oidc__issuer": issuer.url}
        with run_predictor(folder, **settings) as predictor:
            wait_until_ready(predictor)
            refused = predict(predictor, issuer.sign("tutor"))
            assert (refused.status_code, issuer.url in refused.text) == (503, True)
            assert predict(predictor, "of the stages").status_code == 200
            issuer.available = True
            wait_for(lambda: predict(predictor, issuer.sign("tutor")).status_code == 200)
            issuer.available = False
            assert predict(predictor, issuer.sign(key=make_key("new"))).status_code == 401
            assert predict(predictor, issuer.sign("tutor")).status_code == 200
            assert "1 earlier keys stay valid" in predictor.read_log()


def test_an_issuer_behind_a_private_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its authority is that of REQUESTS_CA_BUNDLE; without it, nothing is fetched."""
    certificate, key = write_certificate(tmp_path, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with run_issuer(tls) as issuer:
        issuer.url = issuer.url.replace("127.0.0.1", "localhost")
        with pytest.raises(IssuerError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch_keys(issuer.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert list(fetch_keys(issuer.url)) == ["first"]


def test_wrong_issuers() -> None:
    """Another issuer's document, keys for other algorithms, and no JSON are refused."""
    with run_issuer() as issuer:
        issuer.name = "https://evil.test"
        with pytest.raises(IssuerError, match=r"that of the issuer 'https://evil\.test'"):
            fetch_keys(issuer.url)
        issuer.name = ""
        with pytest.raises(IssuerError, match=f"that of the issuer '{issuer.url}'"):
            fetch_keys(f"{issuer.url}/")
        issuer.published = [ECKey.generate_key("P-521", {"alg": "ES512"})]
        with pytest.raises(IssuerError, match="has no key for RS256, RS384"):
            fetch_keys(issuer.url)
        issuer.available = False
        with pytest.raises(IssuerError, match="responded with 503"):
            fetch_keys(issuer.url)


def test_a_claim_with_another_name(folder: Path, issuer: Issuer) -> None:
    with run_predictor(folder, oidc__issuer=issuer.url, **OTHER_CLAIM) as predictor:
        wait_until_ready(predictor)
        claims: dict[str, Any] = {OTHER_CLAIM["oidc__roles_claim"]: ["tutor"]}
        assert predict(predictor, issuer.sign("admin")).status_code == 403
        assert predict(predictor, issuer.sign(**claims)).status_code == 200


def get_headers(token: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token}".encode()}


def test_the_number_of_stored_tokens(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valid tokens are stored up to a bound, beyond which the oldest is forgotten.

    A header that is padded with spaces is not stored.
    """
    monkeypatch.setattr(tokens, "MAX_LOGINS", 4)
    checker = tokens.Tokens(OidcSettings(issuer=issuer.url))
    made = [get_headers(issuer.sign("tutor", sub=str(number))) for number in range(6)]

    async def check_all() -> None:
        for headers in made:
            login = await checker.check(headers)
            assert checker.get_known(headers) is login
            padded = {
                b"authorization": headers[b"authorization"].ljust(tokens.MAX_STORED_BYTES + 1)
            }
            assert (await checker.check(padded)).role is login.role
            assert checker.get_known(padded) is None
        with pytest.raises(BadToken):
            await checker.check(get_headers(issuer.sign("tutor", aud="another")))

    asyncio.run(check_all())
    assert [headers for headers in made if checker.get_known(headers)] == made[-4:]
