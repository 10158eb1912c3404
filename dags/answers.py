"""What the DAGs `stop` and `resume` have in common: a person starts them with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowFailException

from dags.pods import create_dag

ARGUMENTS = (
    "--reason={{ params.reason }}",
    "--by={{ dag_run.triggering_user_name or 'Airflow' }}",
)
PRIORITY = 100
"""A stage's priority is the number of tasks that depend on it, so `stop` starts before stages."""
MAX_AGE = timedelta(hours=1)
"""How long after its start a run may act in the name of the person who started it."""


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
                pattern=r"\S",
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
                "pre_execute": refuse_repeated,
                **options,
            }
        },
    )


def refuse_repeated(context: Any) -> None:
    """Fail the task if the run is old or was cleared: the record would name who started the run.

    Clearing a task increases its `max_tries`, also if the state of the run is left as it is.

    Raises:
        AirflowFailException: If so. Airflow does not retry the task.
    """
    ti, run = context["ti"], context["dag_run"]
    is_old = datetime.now(UTC) - run.run_after > MAX_AGE
    if is_old or run.clear_number or ti.max_tries != ti.task.retries:
        cause = f"was due at {run.run_after:%Y-%m-%d %H:%M} UTC" if is_old else "was cleared"
        raise AirflowFailException(
            f"This run {cause}, and would act in the name of the person who started it. Start a "
            "new run with your own reason."
        )
