"""The checks of ID tokens in MLflow's pod, with an issuer that is part of the tests."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.support.helm import CHART
from tests.support.issuer import CLIENT_ID, Issuer, run_issuer


@pytest.fixture(scope="module")
def id_tokens() -> Iterator[ModuleType]:
    """The program of the chart."""
    folder = str(CHART / "files" / "mlflow")
    sys.path.insert(0, folder)
    yield importlib.import_module("id_tokens")
    sys.path.remove(folder)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with run_issuer() as running:
        yield running


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checker(id_tokens: ModuleType, issuer: Issuer, clock: Clock) -> Any:
    keys = id_tokens.IssuerKeys(issuer.url, clock)
    return id_tokens.TokenChecker(issuer.url, CLIENT_ID, keys)


def test_a_valid_token(checker: Any, issuer: Issuer) -> None:
    """The claims are returned; one of several audiences is enough, and clocks may differ."""
    now = issuer.make_claims()["iat"]
    token = issuer.sign("viewer", aud=["other", CLIENT_ID], iat=now + 30, exp=now - 30)
    assert checker.check(token)["preferred_username"] == "anna"


def test_forged_tokens(checker: Any, issuer: Issuer, id_tokens: ModuleType) -> None:
    """A token is refused for each of its faults."""
    for fault, token in issuer.forge("admin").items():
        with pytest.raises(id_tokens.InvalidToken):
            checker.check(token)
            pytest.fail(f"accepted: {fault}")


def test_a_new_key(checker: Any, issuer: Issuer, clock: Clock, id_tokens: ModuleType) -> None:
    """An unknown key makes the checker request the keys again, at most once a minute."""
    checker.check(issuer.sign())
    issuer.rotate()
    clock.now += 59
    for _ in range(3):
        with pytest.raises(id_tokens.InvalidToken, match="key 'key-1' is not one of"):
            checker.check(issuer.sign())
    assert len(issuer.requests) == 2
    clock.now += 1
    checker.check(issuer.sign())
    assert len(issuer.requests) == 4


def test_a_removed_key(checker: Any, issuer: Issuer, clock: Clock, id_tokens: ModuleType) -> None:
    """A key that the issuer no longer publishes is accepted for an hour at most."""
    old = issuer.sign()
    checker.check(old)
    issuer.rotate()
    issuer.published = [issuer.key]
    clock.now += 3599
    checker.check(old)
    clock.now += 1
    with pytest.raises(id_tokens.InvalidToken):
        checker.check(old)


def test_an_issuer_that_is_not_available(
    checker: Any, issuer: Issuer, clock: Clock, id_tokens: ModuleType
) -> None:
    """Without keys no token is accepted; later, those of the last response stay valid."""
    issuer.available = False
    with pytest.raises(id_tokens.IssuerUnavailable):
        checker.check(issuer.sign())
    issuer.available = True
    clock.now += 5
    checker.check(issuer.sign())
    issuer.available = False
    clock.now += 3600
    checker.check(issuer.sign())
    with pytest.raises(id_tokens.InvalidToken):
        checker.check(issuer.forge()["a stranger's key"])


def test_the_configuration_of_another_issuer(
    issuer: Issuer, id_tokens: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that names another issuer is not used."""
    other = issuer.describe() | {"issuer": "https://evil.org"}
    monkeypatch.setattr(issuer, "describe", lambda: other)
    checker = id_tokens.TokenChecker(issuer.url, CLIENT_ID)
    with pytest.raises(id_tokens.IssuerUnavailable):
        checker.check(issuer.sign())


def test_keys_for_other_purposes(checker: Any, issuer: Issuer, id_tokens: ModuleType) -> None:
    """Keys for encryption and of other kinds are left out."""
    public = issuer.key.as_dict(private=False)
    document = {
        "keys": [
            public,
            public | {"kid": "encryption", "use": "enc", "alg": "RSA-OAEP"},
            {"kid": "secret", "kty": "oct", "k": "c2VjcmV0"},
            {"kid": "curve", "kty": "OKP", "crv": "X25519", "x": "AAAA"},
        ]
    }
    assert list(id_tokens._read_keys(document)) == ["first"]
