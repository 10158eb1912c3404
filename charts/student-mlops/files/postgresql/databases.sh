#!/bin/bash
# Makes the databases of Airflow and MLflow, each with a user of its own, when PostgreSQL sets up a new volume.
set -euo pipefail

make_database() { # NAME USER PASSWORD
  psql -v ON_ERROR_STOP=1 --username postgres --dbname postgres -v name="$1" -v user="$2" -v password="$3" << 'SQL'
CREATE USER :"user" PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"user";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database "$AIRFLOW_DATABASE" "$AIRFLOW_USER" "$AIRFLOW_PASSWORD"
make_database "$MLFLOW_DATABASE" "$MLFLOW_USER" "$MLFLOW_PASSWORD"
