"""Which hosts a source on the web may be on.

On a platform a source is a parameter of a run. Without these checks, whoever may start a run could
read servers that only the cluster reaches, such as the metadata service of a cloud.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import socket
import urllib.request
from typing import TYPE_CHECKING

from pipeline.errors import SettingsError, SourceError
from pipeline.settings import Settings

if TYPE_CHECKING:
    import httpx

GOOGLE_DRIVE = "drive.google.com"
"""The host that must be listed for Google Drive."""


def check_request(url: httpx.URL, source: str, settings: Settings) -> None:
    """Check the host of a request, which may be one that a server redirected to.

    With MLOPS_INGEST__ALLOWED_HOSTS only these hosts are allowed. Otherwise, if the lake is on S3,
    a host may have public addresses only.

    Args:
        url: URL of the request.
        source: The source, for the message.
        settings: All settings.

    Raises:
        SettingsError: If the host is refused.
        SourceError: If its name cannot be resolved.
    """
    if settings.ingest.allowed_hosts:
        check_listed(url.host, source, settings)
    elif settings.lake.is_s3:
        for address in _resolve(url, source):
            _check_address(address, url.host, source)


def check_connection(response: httpx.Response, source: str, settings: Settings) -> None:
    """Check the address that sent a response, because a name can resolve to another one by then.

    Raises:
        SettingsError: If the address is not public, and the host is not listed.
    """
    url = response.request.url
    if settings.ingest.allowed_hosts or not settings.lake.is_s3 or _uses_proxy(url):
        return
    server = response.extensions["network_stream"].get_extra_info("server_addr")
    _check_address(server[0], url.host, source)


def check_listed(host: str, source: str, settings: Settings) -> None:
    """Check that a host is listed, if there is a list.

    Raises:
        SettingsError: If it is not.
    """
    allowed = settings.ingest.allowed_hosts
    if allowed and not any(fnmatch.fnmatchcase(host.lower(), item.lower()) for item in allowed):
        raise SettingsError(
            f"{source} is refused: MLOPS_INGEST__ALLOWED_HOSTS does not list {host}, only "
            f"{', '.join(allowed)}"
        )


def _resolve(url: httpx.URL, source: str) -> list[str]:
    """Return the addresses of a host: for a proxy, which resolves names itself, a literal one."""
    if _uses_proxy(url):
        return [url.host] if _is_address(url.host) else []
    try:
        found = socket.getaddrinfo(url.host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(
            f"{source} cannot be read: the name {url.host} cannot be resolved ({error}). Check "
            "MLOPS_INGEST__SOURCE"
        ) from error
    return [str(address[0]) for *_, address in found]


def _check_address(address: str, host: str, source: str) -> None:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    if not mapped.is_global or mapped.is_multicast:
        name = host if host == address else f"{host} ({address})"
        raise SettingsError(
            f"{source} is refused: {name} is not a public address. If it is your data source, "
            "add its host to MLOPS_INGEST__ALLOWED_HOSTS"
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _uses_proxy(url: httpx.URL) -> bool:
    return url.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(url.host)
