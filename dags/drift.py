"""Whether recent traffic still resembles the production model's training data.

Runs on its schedule over the traffic that the predictor logged. If drift exceeds the threshold,
`drift` requests a training run, whose model still has to pass the deployment gates. Otherwise
Airflow shows `drift` as skipped, and its log has the reason: no drift, too few rows, or a recent
request.
`demote` checks the production model against its gates on the newest labelled rows. If it fails and
the previous model passes, `demote` restores the previous one.
"""

from dags.pods import create_dag, get_timetable

# When the run was due. A run that is cleared later compares the same traffic again.
RUN_TIME = "{{ dag_run.run_after.isoformat() }}"

dag = create_dag(
    "drift",
    __doc__,
    schedule=get_timetable("drift"),
    task_options={"drift": {"arguments": ["--until", RUN_TIME]}},
)
