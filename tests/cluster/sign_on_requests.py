"""The requests of docs/reference/roles.md, each by a function that sends it for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from botocore.config import Config
from botocore.exceptions import ClientError
from mlflow import MlflowClient

from k8s import access
from pipeline.columns import FEATURES
from pipeline.storage.layout import BRONZE_INBOX, SILVER_LIVE, STOP_MARKER
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.keycloak.person import Person
from tests.cluster.keycloak.server import ISSUER
from tests.cluster.platform import FIRST, STUDENT, Platform
from tests.support.minio_clients import NO_KEYS, is_allowed, log_in, make_client

REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
TIMEOUT_SECONDS = 60
CONFIG = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3})
LIST = ",".join(feature.name for feature in FEATURES) + "\n"
LIST += ",".join(str(feature.example) for feature in FEATURES) + "\n"


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


def describe(response: httpx.Response, *also: HTTPStatus) -> str:
    """Return the cell of the page for a response.

    Args:
        response: The response.
        also: Statuses of requests that are allowed and have no effect.
    """
    if response.status_code in REFUSALS:
        return str(response.status_code)
    assert response.is_success or response.status_code in also, response.text[:500]
    return "yes"


def call_predictor(method: str, path: str, **options: Any) -> Callable[[Platform, Caller], str]:
    """Return the function that sends this request to the predictor's public address."""

    def send(platform: Platform, caller: Caller) -> str:
        headers = {**caller.headers, **options.get("headers", {})}
        return describe(
            httpx.request(
                method,
                access.get_urls()["predictor"] + path,
                **{**options, "headers": headers},
                follow_redirects=True,
                timeout=TIMEOUT_SECONDS,
            )
        )

    return send


def check_health(platform: Platform, caller: Caller) -> str:
    urls = [f"{access.get_urls()['predictor']}/{path}" for path in ("healthz", "readyz")]
    (result,) = {describe(httpx.get(url, headers=caller.headers)) for url in urls}
    return result


def open_report(platform: Platform, caller: Caller) -> str:
    """Open a page whose login is the proxy's, which sends people without one to the issuer."""
    url = f"{access.get_urls()['predictor']}/reports/card"
    if caller.person:
        # All parts have the host 127.0.0.1 here, so one browser would mix their cookies.
        with caller.person.start_browser() as person:
            return describe(person.open(url))
    response = httpx.get(url, timeout=TIMEOUT_SECONDS)
    assert response.headers["location"].startswith(ISSUER), response.text[:500]
    return "401"


def call_airflow(
    method: str, path: str, *also: HTTPStatus, body: Any = None
) -> Callable[[Platform, Caller], str]:
    """Return the function that sends this request to Airflow's API."""

    def send(platform: Platform, caller: Caller) -> str:
        url = f"{access.get_urls()['airflow']}/api/v2{path}"
        return describe(caller.airflow.request(method, url, json=body), *also)

    return send


def call_mlflow(
    platform: Platform, caller: Caller, method: str, path: str, **options: Any
) -> httpx.Response:
    url = f"{access.get_urls()['mlflow']}/api/2.0/mlflow/{path}"
    return httpx.request(method, url, headers=caller.headers, timeout=TIMEOUT_SECONDS, **options)


def find_experiment(platform: Platform, caller: Caller) -> str:
    body = {"max_results": 100, "filter": f"name = '{platform.registry.name}'"}
    response = call_mlflow(platform, caller, "POST", "experiments/search", json=body)
    if response.is_success and not response.json().get("experiments"):
        return "nothing found"
    return describe(response)


def tag_experiment(platform: Platform, caller: Caller) -> str:
    """Tag it as somebody who knows its id."""
    experiment = MlflowClient(platform.registry.settings.tracking_uri).get_experiment_by_name(
        platform.registry.name
    )
    assert experiment is not None
    body = {"experiment_id": experiment.experiment_id, "key": "term", "value": "spring"}
    return describe(
        call_mlflow(platform, caller, "POST", "experiments/set-experiment-tag", json=body)
    )


def read_model(platform: Platform, caller: Caller) -> str:
    params = {"name": platform.registry.name}
    return describe(call_mlflow(platform, caller, "GET", "registered-models/get", params=params))


def move_alias(platform: Platform, caller: Caller) -> str:
    """Move the alias to where it is."""
    version = platform.registry.get_by_alias(PRODUCTION)
    assert version is not None
    body = {"name": platform.registry.name, "alias": PRODUCTION, "version": version.number}
    return describe(call_mlflow(platform, caller, "POST", "registered-models/alias", json=body))


def list_users(platform: Platform, caller: Caller) -> str:
    return describe(call_mlflow(platform, caller, "GET", "users/list"))


def delete_user(platform: Platform, caller: Caller) -> str:
    """Delete a user who does not exist."""
    body = {"username": "nobody"}
    deleted = call_mlflow(platform, caller, "DELETE", "users/delete", json=body)
    return describe(deleted, HTTPStatus.NOT_FOUND)


def call_s3(action: str, key: str, **options: Any) -> Callable[[Platform, Caller], str]:
    """Return the function that does this to an object, which need not exist to be read."""

    def send(_platform: Platform, caller: Caller) -> str:
        if caller.s3 is None:
            return "403"
        bucket, _, rest = key.partition("/")
        request = getattr(caller.s3, action)
        return "yes" if is_allowed(request, Bucket=bucket, Key=rest, **options) else "403"

    return send


NEVER = "00000000000000000000000000000000"
"""An ETag that no object has: a write on this condition needs the right to write, and fails."""
UNKNOWN_TASK = f"/dags/deployment/dagRuns/{FIRST}/taskInstances/approve/-1/hitlDetails"
APPROVAL = {"chosen_options": ["Approve"], "params_input": {}}
CLEAR = {"dry_run": True, "dag_run_id": FIRST, "task_ids": ["ingest"], "only_failed": False}
AS_CSV = {"content": LIST, "headers": {"Content-Type": "text/csv"}}

REQUESTS: dict[str, dict[str, Callable[[Platform, Caller], str]]] = {
    "Predictor": {
        "`GET /healthz`, `GET /readyz`": check_health,
        "`GET /model`": call_predictor("GET", "/model"),
        "`GET /columns`": call_predictor("GET", "/columns"),
        "`GET /reports/card`": open_report,
        "`POST /predict`": call_predictor("POST", "/predict", json=STUDENT),
        "`POST /predict/csv`": call_predictor("POST", "/predict/csv", **AS_CSV),
        "`POST /invocations`": call_predictor("POST", "/invocations", **AS_CSV),
    },
    "Airflow": {
        "list the DAGs": call_airflow("GET", "/dags"),
        "read the log of a stage": call_airflow(
            "GET", f"/dags/training/dagRuns/{FIRST}/taskInstances/ingest/logs/1"
        ),
        "start a run": call_airflow(
            "POST",
            "/dags/training/dagRuns",
            HTTPStatus.CONFLICT,  # the run exists
            body={"dag_run_id": FIRST, "logical_date": None},
        ),
        "clear a task": call_airflow("POST", "/dags/training/clearTaskInstances", body=CLEAR),
        "approve a candidate": call_airflow(
            "PATCH", UNKNOWN_TASK, HTTPStatus.NOT_FOUND, body=APPROVAL
        ),
        "read the connections": call_airflow("GET", "/connections"),
    },
    "MLflow": {
        "find the experiment": find_experiment,
        "read the registered model": read_model,
        "tag the experiment": tag_experiment,
        "move the alias `production`": move_alias,
        "list the users": list_users,
        "delete a user": delete_user,
    },
    "MinIO": {
        "read the reports": call_s3("get_object", "reports/unknown"),
        "read the rows in silver": call_s3("get_object", f"{SILVER_LIVE}unknown"),
        "upload a file to the inbox": call_s3(
            "put_object", f"{BRONZE_INBOX}/school.csv", Body=b"", IfMatch=NEVER
        ),
        "write the marker that stops the answers": call_s3(
            "put_object", STOP_MARKER, Body=b"", IfMatch=NEVER
        ),
        "overwrite a model": call_s3("put_object", "models/manifest.json", Body=b"", IfMatch=NEVER),
    },
}
"""The functions by the part of the platform and the row of its table."""
