"""The Airflow DAGs: one file each, and pods.py, which turns rows of the stage table into tasks."""
