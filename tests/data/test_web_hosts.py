"""A source on the web cannot be a server that only the cluster reaches."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.data import sources
from pipeline.errors import PipelineError, SettingsError, SourceError
from pipeline.settings import Settings
from pipeline.storage.streams import ScratchFile
from tests.support.file_server import serve_file

PUBLIC = "93.184.215.14"
CONTENT = b"a,b\n1,2\n"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def web() -> Iterator[str]:
    """URL of a server on this machine, whose /moved leads to a metadata service."""
    with serve_file(CONTENT, "http://169.254.169.254/latest/meta-data/") as url:
        yield url


def fetch(source: str, *, lake: str = "s3://school", hosts: str = "") -> bytes:
    """Fetch a source as the stage does, and return what was stored; nothing of a refused one."""
    settings = Settings.load(
        {"MLOPS_LAKE__URL": lake, "MLOPS_INGEST__ALLOWED_HOSTS": hosts}
        | {"MLOPS_INGEST__TIMEOUT_SECONDS": "5"}
    )
    file = io.BytesIO()
    with ScratchFile(file, "a test") as scratch:
        try:
            sources.fetch(source, settings, scratch)
        except PipelineError:
            assert scratch.size == 0
            raise
        return file.getvalue()


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",  # metadata services
        "127.0.0.1",
        "localhost",
        "10.96.0.1",  # Services
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "2130706433",  # 127.0.0.1 as a number
        "0x7f.1",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
    ],
)
def test_hosts_inside_are_refused(host: str) -> None:
    """However the address is written; the message has the setting that allows the host."""
    for scheme in ("http", "https"):
        with pytest.raises(SettingsError, match=r"is not a public address.*ALLOWED_HOSTS"):
            fetch(f"{scheme}://{host}/latest/meta-data/")


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name can have a public address, too."""
    found = [(0, 0, 0, "", (address, 0)) for address in (PUBLIC, "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(SettingsError, match=r"data\.test \(10\.0\.0\.7\) is not a public address"):
        fetch("https://data.test/survey.csv")


def test_a_name_that_resolves_to_another_address_afterwards(
    web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of the connection is checked, and nothing of the response is stored."""
    resolve = socket.getaddrinfo
    answers = iter([[(0, 0, 0, "", (PUBLIC, 0))]])

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        return next(answers, None) or resolve("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(SettingsError, match=r"data\.test \(127\.0\.0\.1\) is not a public address"):
        fetch(web.replace("127.0.0.1", "data.test") + "/file")


def test_listed_hosts_may_be_inside(web: str) -> None:
    """A list replaces the check of addresses. It holds patterns, and redirects must match too."""
    assert fetch(f"{web}/file", hosts="data.school.org, 127.0.0.*") == CONTENT
    with pytest.raises(SettingsError, match=r"does not list 169\.254\.169\.254, only 127\.0\.0\.1"):
        fetch(f"{web}/moved", hosts="127.0.0.1")
    for source in (f"{web}/file", "gdrive:abc"):
        with pytest.raises(SettingsError, match=r"does not list .*, only \*\.school\.org"):
            fetch(source, hosts="*.school.org")


def test_a_lake_on_disk_allows_every_host(web: str) -> None:
    """Its user has these rights anyway. A list counts all the same."""
    assert fetch(f"{web}/file", lake="file:///tmp/lake") == CONTENT
    with pytest.raises(SettingsError, match="does not list"):
        fetch(f"{web}/file", lake="file:///tmp/lake", hosts="data.school.org")


def test_a_proxy_resolves_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod may not be able to. Literal addresses are refused before the proxy sees them."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(SourceError, match="the connection to the server failed"):
        fetch("http://data.test/survey.csv")
    with pytest.raises(SettingsError, match="not a public address"):
        fetch("http://169.254.169.254/")


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the name; another attempt can succeed."""

    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceError, match=r"the name data\.test cannot be resolved"):
        fetch("https://data.test/survey.csv")
