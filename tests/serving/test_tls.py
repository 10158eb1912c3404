"""HTTPS with a certificate of the settings."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from pipeline.commands.local_servers import find_free_port
from pipeline.errors import SettingsError
from serving.__main__ import check_certificate
from serving.settings import PredictorSettings
from tests.support.certificates import write_certificate
from tests.support.predictor import run_predictor


def test_the_predictor_serves_https(tmp_path: Path) -> None:
    """Clients that trust the authority are answered, and plain HTTP is refused, on both ports."""
    certificate, key = write_certificate(tmp_path, "localhost")
    files = {"tls_certificate_file": str(certificate), "tls_key_file": str(key)}
    check_certificate(PredictorSettings.model_validate(files))
    trusted = ssl.create_default_context(cafile=certificate)
    metrics_port = find_free_port()
    with run_predictor(tmp_path, **files, metrics_port=str(metrics_port)) as predictor:
        metrics = f"https://localhost:{metrics_port}/metrics"
        assert httpx.get(metrics, verify=trusted).status_code == httpx.codes.OK
        url = f"https://localhost:{predictor.port}/healthz"
        assert httpx.get(url, verify=trusted).status_code == httpx.codes.OK
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(url)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url.replace("https", "http"))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """So is a certificate without a key, and a key of another certificate."""
    certificate, _ = write_certificate(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    _, other_key = write_certificate(tmp_path / "other", "localhost")
    for key in ("", str(tmp_path / "missing.pem"), str(other_key)):
        settings = PredictorSettings(tls_certificate_file=str(certificate), tls_key_file=key)
        with pytest.raises(SettingsError, match=r"cannot be used: .*TLS_KEY_FILE"):
            check_certificate(settings)
    check_certificate(PredictorSettings())
