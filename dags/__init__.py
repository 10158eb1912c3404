"""Airflow's three DAGs: the stage table, each row a pod of its own image."""
