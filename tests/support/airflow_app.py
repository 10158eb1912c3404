"""Airflow's api-server with the chart's users and logins, in an environment with Airflow."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.helm import CHART

FILES = CHART / "files" / "airflow"
AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@contextmanager
def configure_airflow(**variables: str) -> Iterator[None]:
    """Configure Airflow as in the chart's pods, with these further variables, and a database."""
    from airflow.api_fastapi.app import purge_cached_app
    from airflow.utils.db import initdb

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", AUTH_MANAGER)
        patch.setenv("AIRFLOW__FAB__CONFIG_FILE", str(FILES / "webserver_config.py"))
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(FILES))
        purge_cached_app()
        initdb()
        try:
            yield
        finally:
            for module in ("users", "webserver_config"):
                sys.modules.pop(module, None)
            purge_cached_app()


def create_users(administrator: str = "admin", **passwords: str) -> None:
    """Run the program that creates Airflow's users.

    Args:
        administrator: Name of the administrator.
        passwords: The passwords in the Secret, by role.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_USER", administrator)
        for role, password in passwords.items():
            patch.setenv(f"{role.upper()}_PASSWORD", password)
        importlib.import_module("users").main()


@contextmanager
def run_api_server() -> Iterator[Any]:
    """Yield a client of the api-server, which runs in this process."""
    from airflow.api_fastapi.app import create_app
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
    from fastapi.testclient import TestClient

    FabAuthManager.cache.clear()
    with TestClient(create_app("core"), follow_redirects=False) as client:
        yield client


def request_token(client: Any, user: str, password: str) -> Any:
    """Return the response to a request for a token."""
    return client.post("/auth/token", json={"username": user, "password": password})


def log_in(client: Any, user: str, password: str) -> dict[str, str]:
    """Return the header of a local user's requests."""
    response = request_token(client, user, password)
    assert response.status_code == 201, response.text
    return {"Authorization": f"Bearer {response.json()['access_token']}"}
