"""The certificate authorities that our HTTPS clients trust."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import SettingsError

CA_BUNDLE = "REQUESTS_CA_BUNDLE"


def trust_ca_bundle(context: ssl.SSLContext) -> ssl.SSLContext:
    """Trust the certificate authorities of REQUESTS_CA_BUNDLE too.

    Python itself reads SSL_CERT_FILE and SSL_CERT_DIR. The MLflow client and many other programs
    read REQUESTS_CA_BUNDLE, so a user who sets it expects every client to trust it.

    Args:
        context: The TLS context of a client, which is changed.

    Returns:
        The same context.

    Raises:
        SettingsError: If the variable names no readable certificates.
    """
    bundle = os.environ.get(CA_BUNDLE)
    if bundle:
        location = {"capath" if Path(bundle).is_dir() else "cafile": bundle}
        try:
            context.load_verify_locations(**location)
        except OSError as error:
            raise SettingsError(
                f"{CA_BUNDLE} is {bundle!r}, which cannot be read as certificates: "
                f"{error.strerror or error}. Set it to a file in PEM format, or unset it."
            ) from error
    return context


@contextlib.contextmanager
def bundle_with(public: str) -> Iterator[str]:
    """Yield a file of the public authorities, together with those of REQUESTS_CA_BUNDLE.

    requests trusts only the authorities of that variable. A download from the internet needs the
    public ones too.

    Args:
        public: File with the public certificate authorities, in PEM format.

    Raises:
        SettingsError: If the variable names no readable certificates.
    """
    bundle = os.environ.get(CA_BUNDLE)
    if not bundle or Path(bundle).is_dir():
        yield bundle or public
        return
    trust_ca_bundle(ssl.create_default_context())  # refuses a file without certificates
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{Path(public).read_text()}\n{Path(bundle).read_text()}")
        file.flush()
        yield file.name
