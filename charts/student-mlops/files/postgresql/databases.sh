#!/bin/bash
# Create the databases of Airflow and MLflow, each with its own user, when PostgreSQL sets up a new
# volume.
set -euo pipefail

create_database() { # NAME USER PASSWORD_FILE
  psql -v ON_ERROR_STOP=1 --username postgres --dbname postgres -v name="$1" -v user="$2" -v password="$(< "$3")" << 'SQL'
CREATE USER :"user" PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"user";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

create_database "$AIRFLOW_DATABASE" "$AIRFLOW_USER" "$AIRFLOW_PASSWORD_FILE"
create_database "$MLFLOW_DATABASE" "$MLFLOW_USER" "$MLFLOW_PASSWORD_FILE"
