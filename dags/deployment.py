"""From a registered candidate to the model in production.

Runs when the DAG `training` has registered a candidate. If the candidate fails a deployment gate,
`validate` and the tasks after it are skipped and production stays as it is. If the predictor does
not serve the new model as the registry has it, `verify` restores the previous model and fails.
"""

from airflow.sdk import Asset

from dags.pods import create_dag

dag = create_dag("deployment", __doc__, schedule=[Asset("candidate")])
