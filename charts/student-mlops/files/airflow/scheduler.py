"""Airflow's scheduler, with the operator of every task imported beforehand: tasks are forks of it and begin a second sooner."""

import sys

import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401 - see above
from airflow.__main__ import main

sys.argv = ["airflow", "scheduler"]
main()
