"""The predictor client: every address of the host, under the host's name."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from pipeline import http_client
from pipeline.deployment.predictor_client import (
    Refused,
    Replica,
    Unreachable,
    find_replicas,
    request_all,
)
from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.tls import trust_ca_bundle
from tests.support.certificates import write_certificate
from tests.support.http_server import Request, Response, serve

HOST = "predictor.test"


@pytest.fixture(autouse=True)
def resolve_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host has two addresses."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *arguments: Any, **options: Any) -> Any:
        if host != HOST:
            return resolve(host, port, *arguments, **options)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def settings(url: str, api_key: str = "") -> Settings:
    return Settings.model_validate({"predictor": {"url": url, "api_key": api_key}})


def get_port(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's TLS context with a self-signed certificate for HOST, in `tmp_path`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificate(tmp_path, HOST))
    return context


@pytest.fixture(params=["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def trusted(
    request: pytest.FixtureRequest,
    certificate: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user trusts the certificate, by either of the usual variables."""
    monkeypatch.setenv(request.param, str(tmp_path / "cert.pem"))
    monkeypatch.setattr(http_client, "_tls_context", http_client._tls_context.__wrapped__)


def test_each_address_is_called_under_the_name_of_the_host() -> None:
    """The connection goes to the address; the Host header has name and port, as a proxy expects."""
    hosts: list[str] = []

    def handle(request: Request) -> Response:
        hosts.append(request.headers["Host"])
        return Response(200, {"version": "3"})

    with serve(handle) as url, serve(handle, "127.0.0.2", get_port(url)):
        replicas = find_replicas(settings(f"http://{HOST}:{get_port(url)}"))
        versions = request_all(replicas, Replica.get_version)
    assert [replica.address for replica in versions] == ["127.0.0.1", "127.0.0.2"]
    assert list(versions.values()) == ["3", "3"]
    assert hosts == [f"{HOST}:{get_port(url)}"] * 2


def test_an_address_without_a_server_is_unreachable() -> None:
    """The other addresses respond all the same."""
    with serve(lambda _: Response(200, {"version": "3"})) as url:
        replicas = find_replicas(settings(f"http://{HOST}:{get_port(url)}"))
        first, second = request_all(replicas, Replica.get_version).values()
    assert first == "3"
    assert isinstance(second, Unreachable)
    assert "/model of 127.0.0.2" in str(second)


def test_the_certificate_of_the_host_is_accepted(
    certificate: ssl.SSLContext, trusted: None
) -> None:
    """TLS names the host, not the address: the server's certificate holds no address."""
    with serve(lambda _: Response(200, {"version": "3"}), tls=certificate) as url:
        replica = find_replicas(settings(f"https://{HOST}:{get_port(url)}"))[0]
        assert replica.get_version() == "3"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_of_another_host_is_refused(
    certificate: ssl.SSLContext, trusted: None, host: str
) -> None:
    """A trusted certificate is valid for its own name only."""
    with serve(lambda _: Response(200, {"version": "3"}), tls=certificate) as url:
        replica = find_replicas(settings(f"https://{host}:{get_port(url)}"))[0]
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            replica.get_version()


def test_a_wrong_ca_bundle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names no certificates is an error with its value and the remedy."""
    (tmp_path / "empty.pem").touch()
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        with pytest.raises(SettingsError, match=rf"REQUESTS_CA_BUNDLE is '{path}'.* in PEM format"):
            trust_ca_bundle(ssl.create_default_context())


def test_an_unknown_certificate_is_refused(certificate: ssl.SSLContext) -> None:
    """A certificate that the machine does not trust ends the connection."""
    with serve(lambda _: Response(200, {"version": "3"}), tls=certificate) as url:
        replica = find_replicas(settings(f"https://{HOST}:{get_port(url)}"))[0]
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            replica.get_version()


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to a predictor never goes through a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serve(lambda _: Response(200, {"version": "3"})) as url:
        (replica,) = find_replicas(settings(url))
        assert replica.get_version() == "3"


def test_the_api_key_is_sent_and_not_shown() -> None:
    """The key is a bearer token, and does not occur in the text of the replica."""
    keys: list[str] = []

    def handle(request: Request) -> Response:
        keys.append(request.headers["Authorization"])
        return Response(200, {"version": "3"})

    with serve(handle) as url:
        (replica,) = find_replicas(settings(url, api_key="secret"))
        replica.get_version()
    assert keys == ["Bearer secret"]
    assert "secret" not in repr(replica)


@pytest.mark.parametrize(
    ("response", "kind", "message"),
    [
        (Response(503, "full"), Unreachable, "/model of 127.0.0.1 returned 503: full"),
        (Response(500, "broken"), Refused, "/model of 127.0.0.1 returned 500: broken"),
        (Response(200, "<html>"), Refused, "did not return JSON: b'<html>'"),
        (Response(200, [1]), Refused, "did not return a JSON object"),
    ],
    ids=["busy", "error", "text", "list"],
)
def test_other_responses(response: Response, kind: type[Unreachable], message: str) -> None:
    """A busy predictor can be asked again; any other unexpected response is an error."""
    with serve(lambda _: response) as url:
        (replica,) = find_replicas(settings(url))
        with pytest.raises(Unreachable) as error:
            replica.get_version()
    assert type(error.value) is kind
    assert message in str(error.value)


def test_errors_are_counted_over_all_labels() -> None:
    """The counter of failed predictions has one sample per kind of error."""
    page = (
        "# TYPE predictor_errors_total counter\n"
        'predictor_errors_total{kind="model"} 2.0\n'
        'predictor_errors_total{kind="timeout"} 1.0\n'
        "predictor_errors_created 5.0\n"
    )
    with serve(lambda _: Response(200, page)) as url:
        (replica,) = find_replicas(settings(url))
        assert replica.count_errors() == 3


def test_an_unknown_host_has_no_replicas() -> None:
    """A Service without endpoints has no addresses."""
    assert find_replicas(settings("http://predictor.invalid:8000")) == []
