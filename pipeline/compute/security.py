"""The TLS certificates of stages, scheduler and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.settings.connections import DaskSettings

if TYPE_CHECKING:
    from distributed.security import Security


def make_security(settings: DaskSettings) -> Security:
    """Return the certificates in Dask's form.

    Each side of a connection verifies that the authority has signed the other's certificate. Host
    names are not verified, because pods have addresses only.

    Args:
        settings: Files of the certificates. An address `tcp://`, which only this machine's loopback
            may have, needs none.
    """
    from distributed.security import Security

    if not settings.is_encrypted:
        return Security(require_encryption=False)
    return Security(
        require_encryption=True,
        tls_ca_file=settings.ca,
        **{
            f"tls_{role}_{part}": path
            for role in ("client", "scheduler", "worker")
            for part, path in (("cert", settings.certificate), ("key", settings.key))
        },
    )
