"""Where the platform answers on this machine, and the logins."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import yaml

from k8s.cluster import RELEASE, VALUES, config, get
from k8s.process import ClusterError
from pipeline.console import print_table


def urls() -> dict[str, str]:
    """URL by interface: airflow, mlflow, predictor, minio (S3) and console (MinIO's).

    Raises:
        ClusterError: k8s/kind.yaml does not map one of them.
    """
    values = yaml.safe_load(VALUES.read_text())
    ports = {
        name: values[name]["service"]["nodePort"]
        for name in ("airflow", "mlflow", "predictor", "minio")
    }
    ports["console"] = values["minio"]["service"]["consoleNodePort"]
    mapped = {
        item["containerPort"]: f"http://{item['listenAddress']}:{item['hostPort']}"
        for item in config()["nodes"][0]["extraPortMappings"]
    }
    if missing := sorted(name for name, port in ports.items() if port not in mapped):
        raise ClusterError(
            f"k8s/kind.yaml maps no port for {', '.join(missing)}; values-kind.yaml says which it must be"
        )
    return {name: mapped[port] for name, port in ports.items()}


def secret(name: str) -> dict[str, str]:
    """The values of a Secret of the release."""
    for item in get("secrets"):
        if item["metadata"]["name"] == name:
            return {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
    raise ClusterError(f"the cluster has no Secret {name}; `make up` installs the platform")


def object_store_keys() -> tuple[str, str]:
    keys = secret(f"{RELEASE}-objectstore")
    return keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]


def airflow_login() -> tuple[str, str]:
    """User and password."""
    values: dict[str, Any] = yaml.safe_load((VALUES.parent / "values.yaml").read_text())
    return values["airflow"]["adminUser"], secret(f"{RELEASE}-airflow")["admin-password"]


def rows() -> Iterator[tuple[str, str, str, str]]:
    at = urls()
    keys = " / ".join(object_store_keys())
    yield "predictor", at["predictor"], "none", "what-if page, class lists; /docs for developers"
    yield (
        "Airflow",
        at["airflow"],
        " / ".join(airflow_login()),
        "the DAGs training, deployment, drift",
    )
    yield "MLflow", at["mlflow"], "none", "runs, model versions, model cards"
    yield "MinIO console", at["console"], keys, "the lake: bronze, silver, gold, models, reports"
    yield "MinIO S3", at["minio"], keys, "the same for programs"


def show() -> None:
    """The table of `make urls`."""
    print_table("The platform", ("what", "URL", "login", "for"), rows())
