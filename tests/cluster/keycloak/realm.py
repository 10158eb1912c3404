"""The realm of the tests: a client for the platform, a user per role, and a user without one."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

REALM = "school"
CLIENT = "student-mlops"
CLAIM = "roles"
ROLES = ("viewer", "tutor", "operator", "approver", "admin")
WITHOUT_ROLE = "no role"
"""The role of the person who has an account at the school, and none of the platform's roles."""
PEOPLE = (WITHOUT_ROLE, *ROLES)


def get_user_name(role: str) -> str:
    """Return the name of the person with this role, which no local user of the platform has."""
    return f"school-{role.replace(' ', '-')}"


def make_password() -> str:
    return secrets.token_urlsafe(18)


@dataclass(frozen=True)
class Realm:
    """The secrets of the realm: the client's, and each person's password by role."""

    client_secret: str = field(default_factory=make_password)
    passwords: dict[str, str] = field(
        default_factory=lambda: {role: make_password() for role in PEOPLE}
    )

    def export(self) -> dict[str, Any]:
        """The realm as Keycloak imports it."""
        return {
            "realm": REALM,
            "enabled": True,
            "roles": {"realm": [{"name": role} for role in ROLES]},
            "clients": [_make_client(self.client_secret)],
            "users": [_make_user(role, password) for role, password in self.passwords.items()],
        }


def _make_client(secret: str) -> dict[str, Any]:
    return {
        "clientId": CLIENT,
        "secret": secret,
        "redirectUris": ["http://127.0.0.1/*"],  # any port
        "webOrigins": ["+"],
        "attributes": {"post.logout.redirect.uris": "+"},
        "directAccessGrantsEnabled": True,
        "fullScopeAllowed": True,
        "protocolMappers": [
            {
                "name": CLAIM,
                "protocol": "openid-connect",
                "protocolMapper": "oidc-usermodel-realm-role-mapper",
                "config": {
                    "claim.name": CLAIM,
                    "jsonType.label": "String",
                    "multivalued": "true",
                    "id.token.claim": "true",
                    "access.token.claim": "true",
                    "userinfo.token.claim": "true",
                },
            }
        ],
    }


def _make_user(role: str, password: str) -> dict[str, Any]:
    name = get_user_name(role)
    return {
        # The subject of the tokens: a later server has the same persons.
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.school.example")),
        "username": name,
        "enabled": True,
        "email": f"{name}@school.example",
        "emailVerified": True,
        "firstName": role.title(),
        "lastName": "Example",
        "credentials": [{"type": "password", "value": password, "temporary": False}],
        "realmRoles": [role] if role in ROLES else [],
    }
