"""The platform's URLs on this machine, and its logins."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import yaml

from k8s.cluster import get_objects, read_config
from k8s.process import ClusterError
from k8s.release import CHART, RELEASE, VALUES
from pipeline.console import print_table
from pipeline.stages import DAGS
from pipeline.tracking.login import PASSWORD, USERNAME


def get_urls() -> dict[str, str]:
    """Return the URLs of airflow, mlflow, predictor, minio (S3) and console (MinIO's) by name.

    Raises:
        ClusterError: If k8s/kind.yaml does not map the port of one of them.
    """
    values = yaml.safe_load(VALUES.read_text())
    ports = {
        name: values[name]["service"]["nodePort"]
        for name in ("airflow", "mlflow", "predictor", "minio")
    }
    ports["console"] = values["minio"]["service"]["consoleNodePort"]
    mapped = {
        item["containerPort"]: f"http://{item['listenAddress']}:{item['hostPort']}"
        for item in read_config()["nodes"][0]["extraPortMappings"]
    }
    if missing := sorted(name for name, port in ports.items() if port not in mapped):
        raise ClusterError(
            f"k8s/kind.yaml has no port mapping for {', '.join(missing)}. "
            "Add one for each nodePort of values-kind.yaml."
        )
    return {name: mapped[port] for name, port in ports.items()}


def read_secret(name: str) -> dict[str, str]:
    """Return the decoded values of one of the release's Secrets.

    Raises:
        ClusterError: If there is no such Secret.
    """
    if values := find_secret(name):
        return values
    raise ClusterError(f"The cluster has no Secret {name}. `make up` installs the platform.")


def find_secret(name: str) -> dict[str, str]:
    """Return the decoded values of one of the release's Secrets; empty if it does not exist."""
    for item in get_objects("secrets"):
        if item["metadata"]["name"] == name:
            return {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
    return {}


def get_object_store_keys() -> tuple[str, str]:
    """Return the access key and the secret key of MinIO."""
    keys = read_secret(f"{RELEASE}-objectstore")
    return keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]


def get_airflow_login() -> tuple[str, str]:
    """Return the user and the password of Airflow."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return values["airflow"]["adminUser"], read_secret(f"{RELEASE}-airflow")["admin-password"]


def get_mlflow_login() -> tuple[str, str]:
    """Return the user and the password of MLflow's administrator."""
    login = read_secret(f"{RELEASE}-mlflow-admin")
    return login[USERNAME], login[PASSWORD]


def get_predictor_key() -> str:
    """Return the API key that stages send to the predictor; empty if it needs none."""
    return find_secret(f"{RELEASE}-predictor-key").get("MLOPS_PREDICTOR__API_KEY", "")


def get_scheme() -> str:
    """Return https if the release encrypts its connections (`tls.internal`), else http."""
    for item in get_objects("configmaps"):
        if item["metadata"]["name"] == f"{RELEASE}-settings":
            url = str(item["data"].get("MLOPS_MLFLOW__TRACKING_URI", ""))
            return url.partition(":")[0] or "http"
    return "http"


def list_interfaces() -> Iterator[tuple[str, str, str, str]]:
    """Each interface's name, URL, login and purpose."""
    scheme = get_scheme()
    urls = {name: url.replace("http", scheme, 1) for name, url in get_urls().items()}
    keys = " / ".join(get_object_store_keys())
    airflow, mlflow = " / ".join(get_airflow_login()), " / ".join(get_mlflow_login())
    yield "predictor", urls["predictor"], "none", "what-if page, class lists; /docs for developers"
    yield "Airflow", urls["airflow"], airflow, f"the DAGs {', '.join(DAGS)}"
    yield "MLflow", urls["mlflow"], mlflow, "runs, model versions, model cards"
    yield "MinIO console", urls["console"], keys, "the lake: bronze, silver, gold, models, reports"
    yield "MinIO S3", urls["minio"], keys, "the lake for programs"


def show() -> None:
    """Print the table of `make urls`."""
    print_table("The platform", ("what", "URL", "login", "for"), list_interfaces())
