"""From a registered candidate to the model in production.

Runs when the DAG `training` has registered a candidate. If the candidate fails a deployment gate,
`validate` and the tasks after it are skipped and production stays as it is. If the predictor does
not serve the new model as the registry has it, `verify` restores the previous model and fails.

If the chart's values require an approval, a person sees the gate table and decides before
`promote`. Without an answer in time, the candidate is not promoted.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset

from dags import approval
from dags.pod_spec import load_config
from dags.pods import create_dag

config = load_config()["approval"]
with_approval: dict[str, Any] = {
    "task_options": {
        "validate": approval.VALIDATE_OPTIONS,
        "promote": approval.PROMOTE_OPTIONS,
    },
    "before": {
        "promote": lambda: approval.create_approval(timedelta(hours=config["timeout_hours"]))
    },
    "macros": {"get_approval": approval.get_approval},
}

dag = create_dag(
    "deployment",
    __doc__,
    schedule=[Asset("candidate")],
    **(with_approval if config["enabled"] else {}),
)
