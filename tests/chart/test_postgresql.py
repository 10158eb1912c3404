"""The database's templates."""

from __future__ import annotations

from pipeline.settings import Settings
from tests.support.chart_scenarios import EXTERNAL
from tests.support.helm import find, get_secret_keys, get_variables, render


def test_each_service_has_its_own_database_and_user() -> None:
    """Airflow and MLflow use separate databases, users and passwords."""
    values = {"database": {"mlflow": {"name": "tracking", "user": "tracker"}}}
    manifests = render(values)
    spec = find(manifests, "StatefulSet", "postgresql")["spec"]["template"]["spec"]
    variables = get_variables(spec["containers"][0])
    assert (variables["MLFLOW_DATABASE"], variables["MLFLOW_USER"]) == ("tracking", "tracker")
    (folder,) = (
        mount["mountPath"]
        for mount in spec["containers"][0]["volumeMounts"]
        if mount["name"] == "secrets"
    )
    for name in ("POSTGRES", "AIRFLOW", "MLFLOW"):
        assert variables[f"{name}_PASSWORD_FILE"] == f"{folder}/{name.lower()}-password"
    spec = find(manifests, "Deployment", "mlflow")["spec"]["template"]["spec"]
    mlflow = get_variables(spec["containers"][0])
    assert (
        mlflow["MLFLOW_BACKEND_STORE_URI"]
        == "postgresql+psycopg2://tracker@student-mlops-postgresql:5432/tracking"
    )
    password = get_secret_keys(spec, spec["containers"][0])["PGPASSWORD"]
    assert password == ("student-mlops-postgresql", "mlflow-password")
    passwords = find(manifests, "Secret", "postgresql")["data"]
    assert len(set(passwords.values())) == len(passwords) == 3


def test_external() -> None:
    """An external database replaces PostgreSQL; its password is in no URL, whatever it contains."""
    manifests = render(EXTERNAL)
    url = find(manifests, "ConfigMap", "airflow")["data"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert url == "postgresql+psycopg2://airflow@db.school.org:6432/airflow"
    spec = find(manifests, "StatefulSet", "airflow-scheduler")["spec"]["template"]["spec"]
    (scheduler,) = spec["containers"]
    password = get_secret_keys(spec, scheduler)["PGPASSWORD"]
    assert password == ("database-passwords", "airflow-password")
    assert scheduler["command"][2:4] == ["db.school.org", "6432"]


def test_the_stages_do_not_know_the_database() -> None:
    """The stages and the predictor get no database settings, because they use MLflow's API."""
    assert not any("database" in name.lower() for name in Settings.model_fields)
    settings = find(render(), "ConfigMap", "settings")["data"]
    assert not any("postgres" in str(value) for value in settings.values())
