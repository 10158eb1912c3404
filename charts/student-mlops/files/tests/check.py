"""The checks of `helm test`: check.py PART, where a part is the name of a function below."""

import base64
import json
import os
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 60


def request(url, body=None, authorization=None):
    """Send a request, with `body` as JSON if there is one, and return the status and the body."""
    data = json.dumps(body).encode() if body is not None else None
    message = urllib.request.Request(url, data)
    message.add_header("Content-Type", "application/json")
    if authorization:
        message.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(message, timeout=TIMEOUT_SECONDS) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def request_json(url, body=None, authorization=None):
    """Send a request that must succeed, and return its JSON."""
    status, content = request(url, body, authorization)
    assert status in (200, 201), f"{url} responded with {status}: {content[:500]!r}"
    return json.loads(content)


def mlflow_login():
    """Return the header `Authorization` for MLflow; None if it needs no login."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
    user, password, token = (os.environ.get(name, "") for name in names)
    if user:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Bearer {token}" if token else None


def minio():
    """The lake's buckets exist, and bronze keeps old versions of its objects."""
    from botocore.exceptions import ClientError

    from pipeline.settings import Settings
    from pipeline.storage.layout import LAYERS, bucket_name
    from pipeline.storage.s3 import s3_client

    settings = Settings.load().lake
    client = s3_client(settings)
    versioning = {}
    for layer in LAYERS:
        bucket = bucket_name(layer, settings.bucket_prefix)
        try:
            versioning[layer] = client.get_bucket_versioning(Bucket=bucket).get("Status")
        except ClientError as error:
            raise AssertionError(
                f"the bucket {bucket} cannot be used: {error}. Check the log of the Job that "
                "creates it: kubectl logs -l app.kubernetes.io/component=buckets"
            ) from error
    assert versioning["bronze"] == "Enabled", "versioning of the bronze bucket is off"


def mlflow():
    """MLflow has its tables and its artifacts, and refuses requests without a login."""
    url = os.environ["MLOPS_MLFLOW__TRACKING_URI"]
    login = mlflow_login()
    experiments = f"{url}/api/2.0/mlflow/experiments/search"
    assert request_json(experiments, {"max_results": 1}, login)["experiments"]
    request_json(f"{url}/api/2.0/mlflow-artifacts/artifacts", authorization=login)
    if login:
        status, content = request(experiments, {"max_results": 1})
        assert status == 401, f"{url} responded with {status} without a login: {content[:500]!r}"


def airflow():
    """Airflow's processes are healthy, and if viewers have a password, every DAG is parsed."""
    from pipeline.stages import DAGS

    url = os.environ["AIRFLOW"]
    health = request_json(f"{url}/api/v2/monitor/health")
    for process in ("metadatabase", "scheduler", "dag_processor"):
        assert health[process]["status"] == "healthy", f"{process} is not healthy: {health}"
    password = os.environ.get("VIEWER_PASSWORD")
    if not password:
        print("the DAGs were not checked: Airflow's Secret has no viewer-password")
        return
    login = {"username": "viewer", "password": password}
    token = f"Bearer {request_json(f'{url}/auth/token', login)['access_token']}"
    errors = request_json(f"{url}/api/v2/importErrors", authorization=token)["import_errors"]
    assert not errors, f"some DAGs have import errors: {errors}"
    found = request_json(f"{url}/api/v2/dags", authorization=token)["dags"]
    dags = {dag["dag_id"] for dag in found}
    assert dags >= set(DAGS), f"the DAGs {', '.join(sorted(set(DAGS) - dags))} do not exist"


def predictor():
    """The predictor is alive, and either has a model or says that it has none yet."""
    url = os.environ["PREDICTOR"]
    request_json(f"{url}/healthz")
    status, content = request(f"{url}/readyz")
    assert status in (200, 503), f"{url}/readyz responded with {status}: {content[:500]!r}"
    print(content.decode())


CHECKS = {"minio": minio, "mlflow": mlflow, "airflow": airflow, "predictor": predictor}

if __name__ == "__main__":
    check = CHECKS[sys.argv[1]]
    check()
    print(f"ok: {check.__doc__}")
