"""The three Airflow DAGs: one file each, and pods.py, which turns stages into tasks."""
