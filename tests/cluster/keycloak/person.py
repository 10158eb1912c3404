"""A person with a browser, who logs in at Keycloak when a page asks for it."""

from __future__ import annotations

import html
import re
from types import TracebackType

import httpx

from tests.cluster.keycloak.realm import CLIENT, get_user_name
from tests.cluster.keycloak.server import ISSUER, Keycloak

FORM = re.compile(r'<form[^>]* action="(https://[^"]+/login-actions/[^"]+)"')
TIMEOUT_SECONDS = 120


class Person:
    """The person with a role in a realm.

    Attributes:
        role: The role, or `no role`.
        browser: A client with the person's cookies, which follows redirects.
    """

    def __init__(self, keycloak: Keycloak, role: str) -> None:
        self._keycloak = keycloak
        self.role = role
        self.name = get_user_name(role)
        self._password = keycloak.realm.passwords[role]
        self._secret = keycloak.realm.client_secret
        self.browser = httpx.Client(
            transport=keycloak.make_transport(), follow_redirects=True, timeout=TIMEOUT_SECONDS
        )

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.browser.close()

    def start_browser(self) -> Person:
        """Return the same person with another browser, which has no cookies yet."""
        return Person(self._keycloak, self.role)

    def open(self, url: str) -> httpx.Response:
        """Open a page, fill in Keycloak's form if it appears, and return the last response."""
        response = self.browser.get(url, headers={"Accept": "text/html"})
        if form := FORM.search(response.text):
            login = {"username": self.name, "password": self._password}
            response = self.browser.post(html.unescape(form[1]), data=login)
        return response

    def get_token(self) -> str:
        """Return a new ID token, without a browser."""
        response = self.browser.post(
            f"{ISSUER}/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "scope": "openid",
                "client_id": CLIENT,
                "client_secret": self._secret,
                "username": self.name,
                "password": self._password,
            },
        )
        response.raise_for_status()
        token: str = response.json()["id_token"]
        return token
