"""The approval of a promotion: what the approver sees, and what `promote` gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.stages import EXIT_OK, EXIT_PERMANENT, EXIT_SKIPPED

ADA = {"id": "7", "name": "ada"}
RESPONSES: list[tuple[list[str], dict[str, str] | None, str, dict[str, str]]] = [
    (["Approve"], ADA, "fewer false alarms", {"by": "ada", "reason": "fewer false alarms"}),
    (["Approve"], {"id": "7", "name": ""}, "", {"by": "7", "reason": ""}),
    (["Reject"], ADA, "too soon", {"by": "", "reason": "too soon"}),
    (["Reject"], None, "", {"by": "", "reason": ""}),
]
"""The chosen option, the user, the reason, and what `promote` gets."""


class Instance:
    """A task instance with the XCom values of a run."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values, self.skipped = values, False

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        """Return the value of a task."""
        return self.values.get(f"{task_ids} {key}")

    def xcom_push(self, key: str, value: Any) -> None:
        """Store a value of the task `validate`."""
        self.values[f"validate {key}"] = value


def respond(options: list[str], user: dict[str, str] | None, reason: str) -> Any:
    """Return the result of the task when Airflow resumes it with a response."""
    from dags.approval import create_approval

    event = {
        "chosen_options": options,
        "params_input": {"reason": reason},
        "responded_at": datetime(2026, 11, 26, tzinfo=UTC),
        "responded_by_user": user,
    }
    return create_approval(timedelta(hours=1)).execute_complete({}, event)


@pytest.mark.parametrize(("options", "user", "reason", "expected"), RESPONSES)
def test_who_approved(
    options: list[str], user: dict[str, str] | None, reason: str, expected: dict[str, str]
) -> None:
    """Only who approves is named: a rejection and the timeout approve nothing."""
    from dags.approval import TASK, get_approval

    instance = Instance({f"{TASK} return_value": respond(options, user, reason)})
    assert get_approval(instance) == expected


def test_promote_gets_the_name_and_the_reason() -> None:
    """They are two arguments, whatever the reason contains."""
    from jinja2.nativetypes import NativeEnvironment

    from dags.approval import PROMOTE_OPTIONS, TASK, get_approval

    reason = "it's --better; {{ run_id }}"
    instance = Instance({f"{TASK} return_value": respond(["Approve"], ADA, reason)})
    rendered = [
        NativeEnvironment().from_string(text).render(ti=instance, get_approval=get_approval)
        for text in PROMOTE_OPTIONS["arguments"]
    ]
    assert rendered == ["--approved-by=ada", f"--approval-reason={reason}"]


def test_the_timeout_rejects() -> None:
    """Airflow answers with the default when the time is over."""
    from dags.approval import create_approval

    task = create_approval(timedelta(hours=5))
    assert (task.defaults, task.response_timeout) == (["Reject"], timedelta(hours=5))
    assert task.execution_timeout is None


def make_pod(exit_code: int, message: str | None) -> Any:
    """A pod whose container has ended, and whose sidecar has not."""
    ended = SimpleNamespace(exit_code=exit_code, message=message)
    states = [SimpleNamespace(terminated=None), SimpleNamespace(terminated=ended)]
    statuses = [SimpleNamespace(state=state) for state in states]
    return SimpleNamespace(status=SimpleNamespace(container_statuses=statuses))


@pytest.mark.parametrize(
    ("exit_code", "message", "expected"),
    [
        (EXIT_OK, "| gate |", "| gate |"),
        (EXIT_OK, None, None),
        (EXIT_SKIPPED, "| gate |", None),
        (EXIT_PERMANENT, "the last lines of the log", None),
    ],
)
def test_the_summary_of_a_pod(exit_code: int, message: str | None, expected: str | None) -> None:
    """The message of a pod that succeeded is its summary; that of another is its log."""
    from dags.pods import get_summary

    assert get_summary(make_pod(exit_code, message)) == expected


def test_the_approver_sees_the_gate_table() -> None:
    """`validate` leaves its table as the pod's message, which becomes the text of the question."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    from dags.approval import BODY, TERMINATION_LOG, VALIDATE_OPTIONS
    from tests.support.dag_tasks import get_task

    assert VALIDATE_OPTIONS["env_vars"]["MLOPS_DEPLOYMENT__SUMMARY_FILE"] == TERMINATION_LOG
    instance = Instance({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KubernetesPodOperator, "cleanup", lambda *_: None)
        get_task("validate").cleanup(None, make_pod(EXIT_OK, "| gate |"), None, {"ti": instance})
    assert instance.xcom_pull("validate", "summary") == "| gate |"
    assert "key='summary'" in BODY
