"""Sessions of the page: login, logout, expiry, and requests of other sites."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.api_keys import add_key, read_keys, revoke_keys, write_keys
from pipeline.errors import LakeError, SettingsError
from pipeline.model.bundle import write_fallback
from pipeline.storage.disk import DiskStore
from serving.access.sessions import COOKIE
from serving.http.rows import EXAMPLE
from serving.settings import Settings
from tests.support.forest import make_bundle
from tests.support.predictor import (
    Predictor,
    open_disk_lake,
    run_predictor,
    wait_for,
    wait_until_ready,
)

SECRET = "0123456789abcdef" * 2
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, str]:
    """The keys of the file, by name."""
    registrar, lines = add_key([], "registrar", requests_per_minute=1_000)
    tutor, lines = add_key(lines, "tutor")
    write_keys(folder / "keys.jsonl", lines)
    return {"registrar": registrar, "tutor": tutor}


@pytest.fixture(scope="module")
def pair(folder: Path, keys: dict[str, str]) -> Iterator[tuple[Predictor, Predictor]]:
    """Two predictors with the same keys, secret and lake."""
    del keys
    settings = {"api_keys_file": str(folder / "keys.jsonl"), "session_secret": SECRET}
    with run_predictor(folder, **settings) as one, run_predictor(folder, **settings) as two:
        for predictor in (one, two):
            wait_until_ready(predictor)
        yield one, two


def log_in(predictor: Predictor, key: str, **headers: str) -> httpx.Response:
    """Exchange a key for a session, as the page does."""
    own = OWN | headers
    return httpx.post(f"{predictor.url}/session", json={"key": key}, headers=own, timeout=30)


def get_cookie(response: httpx.Response) -> str:
    assert response.status_code == 204, response.text
    return response.headers["set-cookie"].partition(";")[0]


def predict(predictor: Predictor, cookie: str, headers: dict[str, str] = OWN) -> httpx.Response:
    named = headers | {"Cookie": cookie}
    both = {name.encode(): value.encode("latin-1") for name, value in named.items()}
    return httpx.post(f"{predictor.url}/predict", json=EXAMPLE, headers=both, timeout=30)


def log_out(predictor: Predictor, cookie: str) -> httpx.Response:
    headers = OWN | {"Cookie": cookie}
    return httpx.delete(f"{predictor.url}/session", headers=headers, timeout=30)


def test_login(pair: tuple[Predictor, Predictor], keys: dict[str, str]) -> None:
    """A session is valid on every pod; scripts cannot read its cookie, other sites not send it."""
    response = log_in(pair[0], keys["registrar"])
    cookie = get_cookie(response)
    attributes = response.headers["set-cookie"].split("; ")[1:]
    assert attributes == ["Max-Age=28800", "Path=/", "HttpOnly", "SameSite=Strict"]
    assert keys["registrar"] not in cookie
    for predictor in pair:
        assert predict(predictor, cookie).status_code == 200
        facts = httpx.get(f"{predictor.url}/session", headers={"Cookie": cookie}).json()
        assert (facts["name"], facts["is_required"]) == ("registrar", True)
    anonymous = httpx.get(f"{pair[0].url}/session").json()
    assert anonymous == {"is_required": True, "name": None, "expires": None}
    metrics = httpx.get(f"{pair[1].url}/metrics").text
    assert 'predictor_key_rows_total{key="registrar"} 1.0' in metrics


def test_https(pair: tuple[Predictor, Predictor], keys: dict[str, str]) -> None:
    """Behind HTTPS, the browser may not send the cookie without it."""
    response = log_in(pair[0], keys["registrar"], Origin="https://predict.school.org")
    assert response.headers["set-cookie"].endswith("; Secure")


def test_wrong_logins(pair: tuple[Predictor, Predictor]) -> None:
    """A wrong key or body begins no session."""
    for response in (
        log_in(pair[0], "wrong"),
        httpx.post(f"{pair[0].url}/session", json={"user": "x"}, headers=OWN),
        httpx.post(f"{pair[0].url}/session", content="key=x", headers=OWN),
    ):
        assert response.status_code in (401, 415, 422)
        assert "set-cookie" not in response.headers


def test_a_logout_counts_on_every_pod(
    pair: tuple[Predictor, Predictor], keys: dict[str, str]
) -> None:
    """A cookie that somebody kept is refused after the logout, on the pods that know it too."""
    kept, other = (get_cookie(log_in(pair[0], keys["registrar"])) for _ in range(2))
    assert predict(pair[1], kept).status_code == 200
    response = log_out(pair[0], kept)
    assert (response.status_code, "Max-Age=0" in response.headers["set-cookie"]) == (204, True)
    refused = predict(pair[0], kept)
    assert refused.status_code == 401
    assert "The session has ended" in refused.json()["detail"]
    wait_for(lambda: predict(pair[1], kept).status_code == 401)
    for predictor in pair:
        assert predict(predictor, other).status_code == 200
    assert log_out(pair[0], kept).status_code == 204  # again is no error


def test_a_new_pod_knows_the_logouts(
    pair: tuple[Predictor, Predictor], keys: dict[str, str], folder: Path
) -> None:
    """A pod that starts after the logout refuses the cookie at once."""
    cookie = get_cookie(log_in(pair[0], keys["registrar"]))
    assert log_out(pair[0], cookie).status_code == 204
    settings = {"api_keys_file": str(folder / "keys.jsonl"), "session_secret": SECRET}
    with run_predictor(folder, **settings) as late:
        wait_until_ready(late)
        assert predict(late, cookie).status_code == 401


def test_a_logout_without_the_lake(
    pair: tuple[Predictor, Predictor], keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session ends on this pod, and the response says that the others do not know it."""
    cookie = get_cookie(log_in(pair[0], keys["registrar"]))

    def fail(*_: object) -> None:
        raise LakeError("The disk is full.")

    monkeypatch.setattr(DiskStore, "write", fail)
    response = log_out(pair[0], cookie)
    assert (response.status_code, "on this pod only" in response.text) == (503, True)
    assert predict(pair[0], cookie).status_code == 401


def test_a_session_ends_with_its_key(
    pair: tuple[Predictor, Predictor], keys: dict[str, str], folder: Path
) -> None:
    """When the key is revoked, its sessions end on every pod."""
    cookie = get_cookie(log_in(pair[0], keys["tutor"]))
    assert predict(pair[1], cookie).status_code == 200
    path = folder / "keys.jsonl"
    write_keys(path, revoke_keys(read_keys(path), "tutor"))
    for predictor in pair:
        wait_for(lambda each=predictor: predict(each, cookie).status_code == 401)  # type: ignore[misc] # bound now


def test_a_session_expires(tmp_path: Path) -> None:
    """After session_hours the cookie is refused, whatever the browser does with it."""
    write_fallback(open_disk_lake(tmp_path), make_bundle())
    settings = {"api_key": "of the stages", "session_hours": str(1 / 3600)}
    with run_predictor(tmp_path, **settings) as predictor:
        wait_until_ready(predictor)
        cookie = get_cookie(log_in(predictor, "of the stages"))
        wait_for(lambda: predict(predictor, cookie).status_code == 401)


def test_forged_cookies(pair: tuple[Predictor, Predictor], keys: dict[str, str]) -> None:
    """A cookie with another time, key, session or signature is refused."""
    value = get_cookie(log_in(pair[0], keys["registrar"])).partition("=")[2]
    key, expires, session, signature = value.split(".")
    later = str(int(time.time()) + 10**6)
    forged = [
        f"{key}.{later}.{session}.{signature}",
        f"{'0' * 16}.{expires}.{session}.{signature}",
        f"{key}.{expires}.{'0' * 32}.{signature}",
        f"{key}.{expires}.{session}.{'0' * 64}",
        f"{key}.{expires}.{session}.",
        f"{key}.{expires}.{session}",
        "\xe9",
        "x",
    ]
    for cookie in forged:
        response = predict(pair[0], f"{COOKIE}={cookie}")
        assert response.status_code == 401, cookie


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://OWN"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://OWN"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_requests_of_other_sites(
    pair: tuple[Predictor, Predictor],
    keys: dict[str, str],
    headers: dict[str, str],
    status: int,
) -> None:
    """A cookie counts only in requests of the page; login and logout need the same."""
    predictor = pair[0]
    own = f"127.0.0.1:{predictor.port}"
    sent = {name: value.replace("OWN", own) for name, value in headers.items()}
    cookie = get_cookie(log_in(predictor, keys["registrar"]))
    assert predict(predictor, cookie, sent).status_code == status
    login = httpx.post(
        f"{predictor.url}/session", json={"key": keys["registrar"]}, headers=sent, timeout=30
    )
    assert login.status_code == (204 if status == 200 else 403)
    with_key = sent | {"X-API-Key": keys["registrar"]}
    assert predict(predictor, cookie, with_key).status_code == 200  # a key needs no origin
    if status == 403:
        response = httpx.delete(f"{predictor.url}/session", headers=sent | {"Cookie": cookie})
        assert response.status_code == 403
        assert predict(predictor, cookie).status_code == 200


def test_a_short_secret_is_refused() -> None:
    """The message has the variable and the length."""
    with pytest.raises(SettingsError, match=r"SESSION_SECRET.*it has 5 characters"):
        Settings.load({"MLOPS_PREDICTOR__SESSION_SECRET": "short"})
