"""Let people use MLflow with the ID tokens of an issuer (single sign-on).

auth.ini names `authenticate`, which MLflow calls for every request. A request with an ID token is
made by a user `ROLE:NAME` of MLflow, whose permissions never change: a person who gets another role
also gets another user, and no permission of the former one. Nobody can log in as such a user with a
password, because names in HTTP Basic authentication cannot contain a colon.
"""

import hashlib
import json
import os
import re
import secrets
import threading
import time

from cachetools import TTLCache
from flask import request
from id_tokens import LEEWAY_SECONDS, InvalidToken, IssuerUnavailable, TokenChecker
from logins import ADMIN_ONLY, API, refuse
from logins import authenticate as authenticate_by_password
from mlflow.exceptions import MlflowException
from mlflow.server.auth import store
from werkzeug.datastructures import Authorization

ROLES_CLAIM = os.environ["OIDC_ROLES_CLAIM"]
ROLES = json.loads(os.environ["OIDC_ROLES"])
"""Roles of the platform, each with the values of the claim that give it."""
CHECKER = TokenChecker(os.environ["OIDC_ISSUER"], os.environ["OIDC_CLIENT_ID"])

ADMIN, OPERATOR, APPROVER, VIEWER = "admin", "operator", "approver", "viewer"
GRANTS = {ADMIN: {}, OPERATOR: {"experiment": "EDIT"}, APPROVER: {}, VIEWER: {}}
"""What each role may do with all resources of a type, beyond the default permission READ.

The role with the most permissions is first. The other roles of the platform may not use MLflow.
"""
READS = re.compile(
    f"{API}("
    "graphql"
    "|mlflow/artifacts/presigned-download-url"
    "|mlflow/experiments/search(-datasets)?"
    "|mlflow/registered-models/get-latest-versions"
    "|mlflow/traces/(batchGetInfos|calculate-filter-correlation|metrics)"
    "|mlflow/(datasets|issues|logged-models|runs|traces)/search"
    ")"
)
"""Routes that only read, although their method is POST."""
EDITS = re.compile(
    f"{API}("
    "mlflow/(datasets|experiments|logged-models|runs|traces)(/.*)?"
    "|mlflow/artifacts/presigned-upload-url"
    "|mlflow/upload-artifact"
    "|mlflow-artifacts/(artifacts|mpu|presigned)/.*"
    "|v1/traces"
    ")"
)
"""Routes that change experiments; MLflow itself checks the permission on the experiment."""
CACHE_SECONDS = 60

_cache = TTLCache(maxsize=1000, ttl=CACHE_SECONDS)
_cache_lock = threading.Lock()
_users_lock = threading.Lock()


def authenticate():
    """Return who made the current request, or the response that refuses it.

    A request without a token needs the name and password of one of MLflow's users.

    Returns:
        An Authorization with the name of a user of MLflow, or a Response with the status 401, 403
        or 503.
    """
    login = request.authorization
    if login is None or login.type != "bearer":
        return authenticate_by_password()
    try:
        user, role = identify(login.token or "")
    except InvalidToken as error:
        return refuse(401, f"This token is not valid: {error}. Log in again.", "invalid_token")
    except IssuerUnavailable as error:
        return refuse(503, f"{error} does not respond, so tokens cannot be checked. Try again.")
    if role is None:
        return refuse(
            403,
            f"{user!r} has no role for MLflow. The claim {ROLES_CLAIM!r} of the token must have "
            f"a value of one of the roles {', '.join(GRANTS)}.",
        )
    if not may_request(role, request.method, request.path):
        return refuse(403, f"The role {role!r} may not {request.method} {request.path}.")
    return Authorization("bearer", {"username": user})


def identify(token):
    """Return the user of MLflow to whom a token belongs, and the role.

    The user is created with the first request, or after a change of GRANTS gets its permissions.

    Returns:
        The name of the user and the role; or the name of the person and None, without a role.

    Raises:
        InvalidToken: If the token is not valid.
        IssuerUnavailable: If it cannot be checked.
    """
    key = hashlib.sha256(token.encode()).digest()
    with _cache_lock:
        user, role, expiry = _cache.get(key, (None, None, 0))
    if time.time() < expiry:
        return user, role
    claims = CHECKER.check(token)
    name, role = get_name(claims), get_role(claims)
    if role is None:
        return name, None
    user = f"{role}:{name}"
    with _users_lock:
        _ensure_user(user, role)
    with _cache_lock:
        _cache[key] = (user, role, claims["exp"] + LEEWAY_SECONDS)
    return user, role


def get_name(claims):
    """Return the name of a person, which has no characters that cannot be printed."""
    names = (claims.get(claim) for claim in ("preferred_username", "email", "sub"))
    name = next(name for name in names if isinstance(name, str) and name)
    return "".join(character for character in name if character.isprintable())[:200]


def get_role(claims):
    """Return the role with the most permissions that the token gives, or None."""
    values = claims.get(ROLES_CLAIM, [])
    values = [values] if isinstance(values, str) else values
    if not isinstance(values, list):
        return None
    return next((role for role in GRANTS if any(v in values for v in ROLES.get(role, []))), None)


def may_request(role, method, path):
    """Return whether a role may use a route.

    MLflow's own permissions are checked, too. They would let everybody create experiments and
    models, and more.
    """
    if role == ADMIN:
        return True
    if ADMIN_ONLY.fullmatch(path):
        return False
    if method in ("GET", "HEAD", "OPTIONS") or (method == "POST" and READS.fullmatch(path)):
        return True
    return role == OPERATOR and EDITS.fullmatch(path) is not None


def _ensure_user(user, role, attempts=3):
    """Create a user, or give it the permissions of the role."""
    try:
        if not store.has_user(user):
            store.create_user(user, secrets.token_urlsafe(32))
        if store.get_user(user).is_admin != (role == ADMIN):
            store.update_user(user, is_admin=role == ADMIN)
        for resource, permission in GRANTS[role].items():
            store.grant_user_permission(user, resource, "*", permission)
    except MlflowException:
        if attempts == 1:
            raise
        _ensure_user(user, role, attempts - 1)  # another process was creating the same user
