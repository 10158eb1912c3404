"""Stop all answers, for people with the role `operator`.

Start a run in Airflow and give the reason. Every predictor then responds to requests for
predictions with 503, your name and the reason. The promotion record has both. Training and
promotion continue. Only the DAG `resume` or `python -m pipeline resume` resumes the answers.
"""

from dags.answers import create_answers_dag

dag = create_answers_dag("stop", __doc__)
