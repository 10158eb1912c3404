"""The login that clients send to MLflow.

It comes from the variables that MLflow's own client reads: MLFLOW_TRACKING_USERNAME and
MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN. Without them, requests have no login.
"""

from __future__ import annotations

import base64
import os

USERNAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - the name of a variable


def get_authorization() -> str | None:
    """Return the value of the header `Authorization`, or None without a login."""
    username, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if username and password:
        return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    token = os.environ.get(TOKEN)
    return f"Bearer {token}" if token else None


def describe_refusal(status: int, url: str) -> str | None:
    """Return what to do about the refusal of a login; None for another status than 401 and 403.

    Args:
        status: Status of MLflow's response.
        url: URL of MLflow.
    """
    user = os.environ.get(USERNAME)
    if status == 401:
        sent = f"the login of {user!r}" if user else "a request without a valid login"
        return f"MLflow at {url} refused {sent} (401). Set {USERNAME} and {PASSWORD}, or {TOKEN}."
    if status == 403:
        who = f"The user {user!r}" if user else "This login"
        return (
            f"{who} lacks a permission at MLflow at {url} (403). Use the login of a user who has "
            f"it, in {USERNAME} and {PASSWORD}."
        )
    return None
