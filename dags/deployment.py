"""From a registered candidate to the model that serves.

Runs when the DAG `training` has registered a candidate. `validate` is skipped, and with it the rest, when the candidate
fails a deployment gate: the production model goes on serving. `verify` puts the previous model back and fails when the
predictor does not serve the new one as the registry has it.
"""

from airflow.sdk import Asset

from dags.pods import dag_of

dag = dag_of("deployment", __doc__, schedule=[Asset("candidate")])
