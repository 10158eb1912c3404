"""What `helm test` asks of the platform: check.py PART, where a part is one of the functions of its name."""

import json
import os
import sys
import urllib.error
import urllib.request


def ask(url, body=None, token=None):
    """The status and the body of an answer."""
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ask_json(url, body=None, token=None):
    """The JSON of an answer that must be a success."""
    status, answer = ask(url, body, token)
    assert status in (200, 201), f"{url} answered {status}: {answer[:500]!r}"
    return json.loads(answer)


def minio():
    """The lake's buckets are there, and what is written to bronze keeps its versions."""
    from pipeline.settings import Settings
    from pipeline.storage.layout import LAYERS
    from pipeline.storage.s3 import bucket_name, s3_client

    settings = Settings.load().lake
    client = s3_client(settings)
    prefix = settings.bucket_prefix
    present = {item["Name"] for item in client.list_buckets()["Buckets"]}
    missing = {bucket_name(layer, prefix) for layer in LAYERS} - present
    assert not missing, (
        f"there are no buckets {missing}; see the log of the pod that makes them: "
        "kubectl logs -l app.kubernetes.io/component=buckets"
    )
    assert client.get_bucket_versioning(Bucket=bucket_name("bronze", prefix))["Status"] == "Enabled"


def mlflow():
    """MLflow answers to its Service's name, has its tables, and reaches its artifacts."""
    url = os.environ["MLOPS_MLFLOW__TRACKING_URI"]
    assert ask_json(f"{url}/api/2.0/mlflow/experiments/search", {"max_results": 1})["experiments"]
    ask_json(f"{url}/api/2.0/mlflow-artifacts/artifacts")


def airflow():
    """All parts of Airflow beat, the administrator can log in, and every DAG is read without an error."""
    url = os.environ["AIRFLOW"]
    health = ask_json(f"{url}/api/v2/monitor/health")
    ailing = [
        part
        for part in ("metadatabase", "scheduler", "dag_processor")
        if health[part]["status"] != "healthy"
    ]
    assert not ailing, f"not healthy: {ailing}"
    login = {"username": os.environ["ADMIN_USER"], "password": os.environ["ADMIN_PASSWORD"]}
    token = ask_json(f"{url}/auth/token", login)["access_token"]
    errors = ask_json(f"{url}/api/v2/importErrors", token=token)["import_errors"]
    assert not errors, f"DAGs cannot be read: {errors}"
    from pipeline.stages import DAGS

    present = {dag["dag_id"] for dag in ask_json(f"{url}/api/v2/dags", token=token)["dags"]}
    assert present >= set(DAGS), f"there are no DAGs {set(DAGS) - present}"


def predictor():
    """The predictor is alive, and predicts or says that there is no model yet."""
    url = os.environ["PREDICTOR"]
    ask_json(f"{url}/healthz")
    status, answer = ask(f"{url}/model")
    assert status in (200, 503), f"{url}/model answered {status}: {answer[:500]!r}"
    print(answer.decode())


if __name__ == "__main__":
    part = {"minio": minio, "mlflow": mlflow, "airflow": airflow, "predictor": predictor}[
        sys.argv[1]
    ]
    part()
    print(f"ok: {part.__doc__}")
