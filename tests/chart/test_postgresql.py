"""The database's templates."""

from __future__ import annotations

from pipeline.settings import Settings
from tests.support.chart_scenarios import EXTERNAL
from tests.support.helm import container, find, render, variables


def test_a_database_and_a_user_each() -> None:
    """Airflow and MLflow log in as users of their own, with passwords of their own, made by the script for new volumes."""
    values = {"database": {"mlflow": {"name": "tracking", "user": "tracker"}}}
    manifests = render(values)
    given = variables(container(find(manifests, "StatefulSet", "postgresql")))
    assert (given["MLFLOW_DATABASE"], given["MLFLOW_USER"]) == ("tracking", "tracker")
    for name in ("AIRFLOW", "MLFLOW"):
        assert given[f"{name}_PASSWORD"]["secretKeyRef"]["key"] == f"{name.lower()}-password"
    mlflow = variables(container(find(manifests, "Deployment", "mlflow")))
    assert (
        mlflow["MLFLOW_BACKEND_STORE_URI"]
        == "postgresql+psycopg2://tracker@student-mlops-postgresql:5432/tracking"
    )
    assert mlflow["PGPASSWORD"]["secretKeyRef"]["key"] == "mlflow-password"
    passwords = find(manifests, "Secret", "postgresql")["data"]
    assert len(set(passwords.values())) == len(passwords) == 3


def test_replaced() -> None:
    """Another database takes its place; its password is in no URL, and so may hold any character."""
    manifests = render(EXTERNAL)
    url = find(manifests, "ConfigMap", "airflow")["data"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert url == "postgresql+psycopg2://airflow@db.school.org:6432/airflow"
    scheduler = container(find(manifests, "StatefulSet", "airflow-scheduler"))
    assert variables(scheduler)["PGPASSWORD"] == {
        "secretKeyRef": {"name": "database-passwords", "key": "airflow-password"}
    }
    assert scheduler["command"][2:4] == ["db.school.org", "6432"]


def test_is_no_matter_of_the_stages() -> None:
    """Neither the stages nor the predictor are told of the database: what they need, MLflow answers."""
    assert not any("database" in name.lower() for name in Settings.model_fields)
    settings = find(render(), "ConfigMap", "settings")["data"]
    assert not any("postgres" in str(value) for value in settings.values())
