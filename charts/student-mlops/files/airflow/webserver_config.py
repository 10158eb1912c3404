"""How people log into Airflow: as local users, or at the issuer OIDC_ISSUER.

Airflow's api-server and users.py read this file. Programs log in as local users in both cases.
"""

import json
import logging
import os
from urllib.parse import urlsplit

from airflow.providers.fab.auth_manager.security_manager.override import (
    FabAirflowSecurityManagerOverride,
)
from airflow.providers.fab.auth_manager.views.auth_oauth import CustomAuthOAuthView
from flask import session
from flask_appbuilder.const import AUTH_DB, AUTH_OAUTH
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

log = logging.getLogger(__name__)

ISSUER = os.environ.get("OIDC_ISSUER", "")
CLIENT_ID = os.environ.get("OIDC_CLIENT_ID", "")
ROLES_CLAIM = os.environ.get("OIDC_ROLES_CLAIM", "")

AIRFLOW_ROLES = {
    "viewer": "Viewer",
    "operator": "Operator",
    "approver": "Approver",
    "admin": "Admin",
}
"""The role in Airflow for each role of the platform. The role `tutor` has none."""

WRONG_PASSWORDS = RateLimitItemPerMinute(20)
"""How many wrong passwords of a user are checked. The form has a lower limit for each address."""

NO_PASSWORD = "!"  # noqa: S105 - no hash of a password is equal to it


def get_roles_mapping(roles):
    """Return the roles in Airflow for each value of the claim, from the values of each role."""
    mapping = {}
    for role, values in roles.items():
        for value in values:
            mapping.setdefault(value, []).extend(filter(None, [AIRFLOW_ROLES.get(role)]))
    return mapping


class LoginView(CustomAuthOAuthView):
    """The page that leads to the issuer."""

    invalid_login_message = (
        "This account has no role in Airflow, or its name belongs to another user. "
        "Ask the administrator for a role."
    )


class SecurityManager(FabAirflowSecurityManagerOverride):
    """Users and their roles."""

    authoauthview = LoginView
    wrong_passwords = MovingWindowRateLimiter(MemoryStorage())

    def auth_user_db(self, username, password, rotate_session_id=True):
        """Return the local user with this password, or None, also after too many wrong ones."""
        key = str(username).lower()[:100]
        if not self.wrong_passwords.test(WRONG_PASSWORDS, key):
            log.warning("Too many wrong passwords of %r; refused without a check", key)
            return None
        user = super().auth_user_db(username, password, rotate_session_id)
        if user is None:
            self.wrong_passwords.hit(WRONG_PASSWORDS, key)
        return user

    def set_oauth_session(self, provider, oauth_response):
        """Remember the provider, and do not store the tokens, which nothing needs."""
        session["oauth_provider"] = provider

    def get_oauth_user_info(self, provider, resp):
        """Return the user that the verified claims of an ID token describe."""
        claims = resp["userinfo"]
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if CLIENT_ID not in audience:
            raise ValueError(f"the ID token is for {audience}, not for {CLIENT_ID!r}")
        values = claims.get(ROLES_CLAIM) or []
        return {
            "username": claims.get("preferred_username") or claims.get("email") or claims["sub"],
            "first_name": claims.get("given_name") or "",
            "last_name": claims.get("family_name") or "",
            # A name can change or be given to somebody else, but the subject cannot.
            "email": f"{claims['sub']}@{urlsplit(ISSUER).hostname}",
            "role_keys": [values] if isinstance(values, str) else values,
        }

    def auth_user_oauth(self, userinfo, rotate_session_id=True):
        """Return the user of the issuer with the roles in its token; None without a role."""
        roles = list(self.get_roles_from_keys(userinfo["role_keys"]))
        user = self.find_user(email=userinfo["email"])
        namesake = self.find_user(username=userinfo["username"])
        if namesake is not None and namesake != user:
            log.warning("The name %r belongs to another user", userinfo["username"])
            return None
        if user is not None:
            user.username, user.roles = userinfo["username"], roles
            self.update_user(user)
        elif roles:
            profile = {key: value for key, value in userinfo.items() if key != "role_keys"}
            user = self.add_user(**profile, role=roles, hashed_password=NO_PASSWORD)
        if not roles or not user.is_active:
            log.warning("The user %r has no role, or is not active", userinfo["username"])
            return None
        if rotate_session_id:
            self._rotate_session_id()
        self.update_user_auth_stat(user)
        return user


SECURITY_MANAGER_CLASS = SecurityManager
AUTH_TYPE = AUTH_DB
if ISSUER:
    AUTH_TYPE = AUTH_OAUTH
    AUTH_ROLES_MAPPING = get_roles_mapping(json.loads(os.environ["OIDC_ROLES"]))
    OAUTH_PROVIDERS = [
        {
            "name": "oidc",
            "icon": "fa-key",
            "remote_app": {
                "client_id": CLIENT_ID,
                "client_secret": os.environ.get("OIDC_CLIENT_SECRET"),
                "server_metadata_url": f"{ISSUER.rstrip('/')}/.well-known/openid-configuration",
                "client_kwargs": {
                    "scope": os.environ["OIDC_SCOPES"],
                    "code_challenge_method": "S256",
                },
            },
        }
    ]
