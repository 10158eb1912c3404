"""The DAGs `stop` and `resume`: what a person must give, and what the commands get."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.stages import COMMAND_TASKS
from tests.support.dag_tasks import get_task

NAMES = pytest.mark.parametrize("name", [row.name for row in COMMAND_TASKS])


def get_param(name: str) -> Any:
    return importlib.import_module(f"dags.{name}").dag.params.get_param("reason")


@NAMES
@pytest.mark.parametrize("reason", ["", " \n", None, "x" * 1001, 5])
def test_reasons_that_a_run_refuses(name: str, reason: Any) -> None:
    """A run needs a reason, which is a text of at most 1,000 characters."""
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        get_param(name).resolve(reason)


@NAMES
def test_a_run_without_a_reason_is_refused(name: str) -> None:
    """The form has no default, so nobody stops the answers without saying why."""
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        get_param(name).resolve()


@NAMES
@pytest.mark.parametrize(("user", "by"), [("ada", "ada"), (None, "Airflow")])
def test_the_command_gets_the_reason_and_the_name(name: str, user: str | None, by: str) -> None:
    """They are two arguments, whatever the reason contains; the name is that of Airflow's user."""
    reason = "it's --wrong; {{ run_id }}"
    task = get_task(name).prepare_for_execution()
    run = SimpleNamespace(triggering_user_name=user)
    task.render_template_fields(
        {"dag": get_task(name).dag, "dag_run": run, "params": {"reason": reason}}
    )
    arguments = task.pod_template_dict["spec"]["containers"][0]["args"]
    assert arguments == [name, f"--reason={reason}", f"--by={by}"]


@NAMES
def test_a_cleared_run_does_nothing(name: str) -> None:
    """Who clears the run of somebody else cannot stop or resume the answers in that name."""
    from airflow.sdk.exceptions import AirflowFailException

    task = get_task(name)

    def start(age: timedelta = timedelta(), clear_number: int = 0, max_tries: int = 0) -> None:
        run = SimpleNamespace(clear_number=clear_number, run_after=datetime.now(UTC) - age)
        ti = SimpleNamespace(task=task, max_tries=task.retries + max_tries)
        task._pre_execute_hook({"dag_run": run, "ti": ti})

    start()
    with pytest.raises(AirflowFailException, match=r"was cleared, .* Start a new run"):
        start(clear_number=1)
    with pytest.raises(AirflowFailException, match=r"was cleared, .* Start a new run"):
        start(max_tries=1)
    with pytest.raises(AirflowFailException, match=r"was due at .* Start a new run"):
        start(age=timedelta(hours=2))
