"""Run Airflow's scheduler with the tasks' operator imported.

Every task is a fork of the scheduler. With the operator imported here, tasks start a second sooner.
"""

import sys

import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401 - imported for the forks
from airflow.__main__ import main

sys.argv = ["airflow", "scheduler"]
main()
