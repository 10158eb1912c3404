"""The database's templates."""

from __future__ import annotations

from pipeline.settings import Settings
from tests.support.chart_scenarios import EXTERNAL
from tests.support.helm import find, get_container, get_variables, render


def test_each_service_has_its_own_database_and_user() -> None:
    """Airflow and MLflow use separate databases, users and passwords."""
    values = {"database": {"mlflow": {"name": "tracking", "user": "tracker"}}}
    manifests = render(values)
    variables = get_variables(get_container(find(manifests, "StatefulSet", "postgresql")))
    assert (variables["MLFLOW_DATABASE"], variables["MLFLOW_USER"]) == ("tracking", "tracker")
    for name in ("AIRFLOW", "MLFLOW"):
        assert variables[f"{name}_PASSWORD"]["secretKeyRef"]["key"] == f"{name.lower()}-password"
    mlflow = get_variables(get_container(find(manifests, "Deployment", "mlflow")))
    assert (
        mlflow["MLFLOW_BACKEND_STORE_URI"]
        == "postgresql+psycopg2://tracker@student-mlops-postgresql:5432/tracking"
    )
    assert mlflow["PGPASSWORD"]["secretKeyRef"]["key"] == "mlflow-password"
    passwords = find(manifests, "Secret", "postgresql")["data"]
    assert len(set(passwords.values())) == len(passwords) == 3


def test_external() -> None:
    """An external database replaces PostgreSQL; its password is in no URL, whatever it contains."""
    manifests = render(EXTERNAL)
    url = find(manifests, "ConfigMap", "airflow")["data"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert url == "postgresql+psycopg2://airflow@db.school.org:6432/airflow"
    scheduler = get_container(find(manifests, "StatefulSet", "airflow-scheduler"))
    assert get_variables(scheduler)["PGPASSWORD"] == {
        "secretKeyRef": {"name": "database-passwords", "key": "airflow-password"}
    }
    assert scheduler["command"][2:4] == ["db.school.org", "6432"]


def test_the_stages_do_not_know_the_database() -> None:
    """The stages and the predictor get no database settings, because they use MLflow's API."""
    assert not any("database" in name.lower() for name in Settings.model_fields)
    settings = find(render(), "ConfigMap", "settings")["data"]
    assert not any("postgres" in str(value) for value in settings.values())
