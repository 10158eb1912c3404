"""The certificate authorities of downloads from the internet."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.tls import bundle_with
from tests.support.certificates import write_certificate


def read_authorities(path: str) -> set[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    return {str(item["subject"]) for item in context.get_ca_certs()}


def test_public_authorities_are_trusted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With REQUESTS_CA_BUNDLE, requests alone would trust no public server."""
    public, own = tmp_path / "public", tmp_path / "own"
    for folder in (public, own):
        folder.mkdir()
        write_certificate(folder, f"{folder.name}.test")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with bundle_with(str(public / "cert.pem")) as path:
        assert path == str(public / "cert.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own / "cert.pem"))
    with bundle_with(str(public / "cert.pem")) as path:
        authorities = str(read_authorities(path))
    assert "public.test" in authorities
    assert "own.test" in authorities
    assert not Path(path).exists()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with (
        pytest.raises(SettingsError, match=r"missing\.pem"),
        bundle_with(str(public / "cert.pem")),
    ):
        pass
