"""Sends the requests of docs/reference/roles.md to a platform on a cluster, for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
from botocore.config import Config
from botocore.exceptions import ClientError
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from mlflow import MlflowClient

from k8s import access
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.keycloak.person import Person
from tests.cluster.keycloak.server import ISSUER
from tests.cluster.platform import FIRST, Platform
from tests.support.minio_clients import NO_KEYS, exchange_token, is_allowed, log_in, make_client
from tests.support.role_requests import Call, airflow, minio, mlflow, predictor

TIMEOUT_SECONDS = 60
CONFIG = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3})


@dataclass(frozen=True)
class Caller:
    """Somebody who sends requests: a person who logged in, or a program without a login.

    Attributes:
        person: The person; None for a program.
        airflow: A client with Airflow's session, if Airflow accepted the login.
        token: The person's ID token; None without a login.
        s3: A client with the keys that MinIO gave for the token; None if it gave none.
    """

    person: Person | None
    airflow: httpx.Client
    token: str | None
    s3: Any

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def close(self) -> None:
        """Close the connections."""
        self.airflow.close()
        if self.s3 is not None:
            self.s3.close()


def make_caller(platform: Platform, person: Person | None) -> Caller:
    """Log the person into everything; None is a caller without a login."""
    if person is None:
        s3 = make_client("s3", platform.store, config=CONFIG.merge(NO_KEYS))
        return Caller(None, httpx.Client(timeout=TIMEOUT_SECONDS), None, s3)
    person.open(f"{access.get_urls()['airflow']}/auth/login/oidc")
    token = person.get_token()
    return Caller(person, person.browser, token, get_s3(platform, token))


def get_s3(platform: Platform, token: str) -> Any:
    """Exchange an ID token for keys, and return a client with them; None if MinIO refuses."""
    try:
        return log_in(platform.store, token, CONFIG)
    except ClientError:
        return None


def join(results: Iterable[str]) -> str:
    """Return the result of the requests of a row, or all results if they differ."""
    return ", ".join(sorted(set(results)))


def call_predictor(calls: tuple[Call, ...], platform: Platform, caller: Caller) -> str:
    """Send requests to the predictor's public address."""

    def send(call: Call) -> str:
        call = call.fill(model=platform.registry.name)
        options = call.get_options()
        options["headers"] |= caller.headers
        url = access.get_urls()["predictor"] + call.path
        response = httpx.request(
            call.method, url, **options, follow_redirects=True, timeout=TIMEOUT_SECONDS
        )
        return call.describe(response)

    return join(map(send, calls))


def open_pages(calls: tuple[Call, ...], platform: Platform, caller: Caller) -> str:
    """Open pages whose login is the proxy's, which sends people without one to the issuer."""
    urls = [(call, access.get_urls()["predictor"] + call.path) for call in calls]
    if caller.person:
        # All parts have the host 127.0.0.1 here, so one browser would mix their cookies.
        with caller.person.start_browser() as person:
            return join(call.describe(person.open(url)) for call, url in urls)
    for _, url in urls:
        response = httpx.get(url, timeout=TIMEOUT_SECONDS)
        assert response.headers["location"].startswith(ISSUER), response.text[:500]
    return "401"


def call_airflow(calls: tuple[Call, ...], platform: Platform, caller: Caller) -> str:
    """Send requests to Airflow."""

    def send(call: Call) -> str:
        call = call.fill(run=FIRST)
        url = access.get_urls()["airflow"] + call.path
        return call.describe(caller.airflow.request(call.method, url, **call.get_options()))

    return join(map(send, calls))


def get_names(platform: Platform) -> dict[str, str]:
    """Return what the requests to MLflow name, as somebody who knows it."""
    registry = platform.registry
    version = registry.get_by_alias(PRODUCTION)
    experiment = MlflowClient(registry.settings.tracking_uri).get_experiment_by_name(registry.name)
    assert version is not None
    assert experiment is not None
    return {
        "model": registry.name,
        "experiment": experiment.experiment_id,
        "version": version.number,
        "run": version.run_id,
    }


def call_mlflow(calls: tuple[Call, ...], platform: Platform, caller: Caller) -> str:
    """Send requests to MLflow's public address."""
    names = get_names(platform)

    def send(call: Call) -> str:
        call = call.fill(**names)
        options = call.get_options()
        options["headers"] |= caller.headers
        url = access.get_urls()["mlflow"] + call.path
        response = httpx.request(call.method, url, **options, timeout=TIMEOUT_SECONDS)
        return call.describe(response)

    return join(map(send, calls))


def call_s3(calls: tuple[minio.ObjectCall, ...], platform: Platform, caller: Caller) -> str:
    """Send requests to MinIO with the caller's keys, if there are any."""

    def send(call: minio.ObjectCall) -> str:
        request = getattr(caller.s3, call.method)
        return "yes" if is_allowed(request, **call.parameters) else "403"

    return join(map(send, calls)) if caller.s3 is not None else "403"


def list_minio_users(platform: Platform, caller: Caller) -> str:
    """List MinIO's users by its own API."""
    url = urlsplit(str(platform.store.endpoint))
    if caller.token is None:
        response = httpx.get(f"{url.geturl()}/minio/admin/v3/list-users", timeout=TIMEOUT_SECONDS)
        return str(response.status_code)
    try:
        keys = exchange_token(platform.store, caller.token)
    except ClientError:
        return "403"
    provider = StaticProvider(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    admin = MinioAdmin(endpoint=url.netloc, credentials=provider, secure=url.scheme == "https")
    try:
        admin.user_list()
    except MinioAdminException as error:
        assert "AccessDenied" in str(error), error
        return "403"
    return "yes"


Send = Callable[[Platform, Caller], str]

REQUESTS: dict[str, dict[str, Send]] = {
    "Predictor": {
        row: partial(open_pages if row in predictor.BY_BROWSER else call_predictor, calls)
        for row, calls in predictor.ROWS.items()
    },
    "Airflow": {row: partial(call_airflow, calls) for row, calls in airflow.ROWS.items()},
    "MLflow": {row: partial(call_mlflow, calls) for row, calls in mlflow.ROWS.items()},
    "MinIO": {
        **{row: partial(call_s3, calls) for row, calls in minio.ROWS.items()},
        minio.USERS_ROW: list_minio_users,
    },
}
"""The functions by the part of the platform and the row of its table."""
