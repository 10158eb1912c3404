"""Let the predictors answer again after `stop`, for people with the role `operator`.

Start a run in Airflow and give the reason. The promotion record has it, with your name. The task is
not retried: if it fails, its log has the reason, and you can start another run.
"""

from dags.answers import create_answers_dag

# A second try would find that the answers are not stopped, and hide why the first one failed.
dag = create_answers_dag("resume", __doc__, retries=0)
