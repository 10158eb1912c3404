"""The checks of ID tokens in MLflow's pod, with an issuer that is part of the tests."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from serving.access import issuer as predictor_issuer
from serving.access import tokens as predictor_tokens
from serving.http.problems import BadToken
from serving.settings import OidcSettings
from tests.support.helm import CHART
from tests.support.issuer import ALGORITHMS, CLIENT_ID, Issuer, run_issuer


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
    token = issuer.sign("viewer", aud=["other", CLIENT_ID], iat=now + 20, exp=now - 20)
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


CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def sign_all(issuer: Issuer) -> dict[str, str]:
    """Return tokens on both sides of each rule, by what is special about them."""
    rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
    keys = {name: ECKey.generate_key(curve, {"kid": name}) for name, curve in CURVES.items()}
    issuer.published += [rsa, *keys.values()]
    now = issuer.make_claims()["iat"]
    changes: dict[str, dict[str, Any]] = {
        f"{claim} {seconds:+} s": {claim: now + seconds}
        for claim in ("exp", "nbf", "iat")
        for seconds in (-50, -20, 20, 50)
    }
    changes["several audiences"] = {"aud": ["other", CLIENT_ID]}
    changes["no subject"] = {"sub": None}
    changes["another spelling of the issuer"] = {"iss": f"{issuer.url}/"}
    return {
        **issuer.forge("admin"),
        **{name: issuer.sign(key=keys.get(name, rsa), header={"alg": name}) for name in ALGORITHMS},
        **{name: issuer.sign(**claims) for name, claims in changes.items()},
    }


def test_the_predictor_accepts_the_same_tokens(
    checker: Any, issuer: Issuer, id_tokens: ModuleType
) -> None:
    """A person whom one part of the platform lets in is let in by the other, with every token."""
    signed = sign_all(issuer)
    predictor = predictor_tokens.Tokens(OidcSettings(issuer=issuer.url, client_id=CLIENT_ID))

    async def list_accepted_by_predictor() -> set[str]:
        accepted = set()
        for name, token in signed.items():
            try:
                await predictor.check({b"authorization": b"Bearer " + token.encode()})
            except BadToken:
                continue
            accepted.add(name)
        return accepted

    by_mlflow = set()
    for name, token in signed.items():
        try:
            checker.check(token)
        except id_tokens.InvalidToken:
            continue
        by_mlflow.add(name)
    assert asyncio.run(list_accepted_by_predictor()) == by_mlflow
    accepted = set(predictor_issuer.ALGORITHMS) | {"several audiences"}
    accepted |= {"exp -20 s", "exp +20 s", "exp +50 s", "nbf -50 s", "nbf -20 s", "nbf +20 s"}
    accepted |= {"iat -50 s", "iat -20 s", "iat +20 s"}
    assert by_mlflow == accepted


def test_the_predictor_has_the_same_rules(id_tokens: ModuleType) -> None:
    """The algorithms and the difference of clocks are written in two places, because MLflow's
    image does not have the predictor's code.
    """
    assert id_tokens.ALGORITHMS == predictor_issuer.ALGORITHMS
    assert id_tokens.LEEWAY_SECONDS == predictor_tokens.LEEWAY_SECONDS
