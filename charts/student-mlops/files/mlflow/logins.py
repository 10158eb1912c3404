"""Let programs and people use MLflow with the name and the password of one of its users.

auth.ini names `authenticate`, which MLflow calls for every request. MLflow itself then checks the
user's permissions. It would let every user create experiments and registered models, list the names
of all users, and send requests to other services.
"""

import re

from flask import make_response, request
from mlflow.server.auth import authenticate_request_basic_auth, store
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from werkzeug.datastructures import Authorization

API = r"(/(ajax-)?api/\d+\.\d+)?/"
"""Beginning of the path of most routes."""
ADMIN_ONLY = re.compile(
    rf"/gateway/.*|{API}mlflow/((assistant|gateway-proxy)(/.*)?|gateway/.*/create|users/list)"
)
"""Routes that send requests to other services, start programs, or list the names of all users."""
CREATES = {
    "experiment": re.compile(f"{API}mlflow/experiments/create"),
    "registered_model": re.compile(f"{API}mlflow/registered-models/create"),
}
"""Routes that create a resource, by its type. The creator gets every permission on it."""


def authenticate():
    """Return who made the current request, or the response that refuses it.

    Returns:
        An Authorization with the name of a user of MLflow, or a Response with the status 401 or
        403.
    """
    login = authenticate_request_basic_auth()
    if isinstance(login, Authorization) and not may_request(login.username, request.path):
        return refuse(403, f"The user {login.username!r} may not {request.method} {request.path}.")
    return login


def may_request(name, path):
    """Return whether a user may use a route, for which MLflow's own permissions are checked, too.

    Administrators may use all. To create a resource, others need the permission to change all
    resources of its type.
    """
    created = next((kind for kind, route in CREATES.items() if route.fullmatch(path)), None)
    if created is None and not ADMIN_ONLY.fullmatch(path):
        return True
    user = store.get_user(name)
    if user.is_admin or created is None:
        return user.is_admin
    permission = store.get_role_permission_for_resource(
        user.id, created, "*", DEFAULT_WORKSPACE_NAME
    )
    return permission is not None and permission.can_update


def refuse(status, message, error=None):
    """Return a response that refuses the current request.

    Args:
        status: Its status.
        message: The reason.
        error: The error of RFC 6750, section 3.1, if the request has a wrong token.
    """
    response = make_response(message, status)
    response.content_type = "text/plain; charset=utf-8"
    if error:
        response.headers["WWW-Authenticate"] = f'Bearer realm="mlflow", error="{error}"'
    return response
