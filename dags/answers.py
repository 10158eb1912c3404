"""What the DAGs `stop` and `resume` have in common: a person starts them with a reason."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowFailException

from dags.pods import create_dag

ARGUMENTS = (
    "--reason={{ params.reason }}",
    "--by={{ dag_run.triggering_user_name or 'Airflow' }}",
)
PRIORITY = 100  # stages have the number of tasks that depend on them, and wait


def create_answers_dag(name: str, doc: str | None, **options: Any) -> DAG:
    """Create the DAG of a command that takes a reason and the name of a person.

    Args:
        name: The command, which is also the id of the DAG and of its task.
        doc: Description of the DAG, in Markdown.
        **options: Further arguments of the task.

    Returns:
        The DAG, which runs only when a person starts it.
    """
    return create_dag(
        name,
        doc,
        schedule=None,
        params={
            "reason": Param(
                type="string",
                minLength=1,
                maxLength=1000,
                title="Reason",
                description="It is stored in the promotion record, with your name.",
            )
        },
        task_options={
            name: {
                "arguments": ARGUMENTS,
                "priority_weight": PRIORITY,
                "weight_rule": "absolute",
                "pre_execute": refuse_cleared,
                **options,
            }
        },
    )


def refuse_cleared(context: Any) -> None:
    """Fail the task if its run was cleared: the record would name who started the run.

    Raises:
        AirflowFailException: If somebody has cleared the run. Airflow does not retry the task.
    """
    if context["dag_run"].clear_number:
        raise AirflowFailException(
            "This run was cleared, and would act in the name of the person who started it. Start a "
            "new run with your own reason."
        )
