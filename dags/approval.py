"""The decision of a person between `validate` and `promote`, if the chart's values ask for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

from dags.pods import RUN_ID, SUMMARY

TASK = "approve"
TERMINATION_LOG = "/dev/termination-log"  # kubelet mounts it, also in a read-only container

BODY = (
    f"{{{{ ti.xcom_pull(task_ids='validate', key='{SUMMARY}') or '' }}}}\n\n"
    f"The log of `validate` says why each bound is what it is. The page with the comparison is "
    f"`{RUN_ID}/validation.html` in the bucket of the reports."
)
"""What the approver reads, in Markdown."""

VALIDATE_OPTIONS = {"env_vars": {"MLOPS_DEPLOYMENT__SUMMARY_FILE": TERMINATION_LOG}}
"""Options of the task `validate`: its gate table becomes what the approver reads."""

PROMOTE_OPTIONS = {
    "arguments": [
        "--approved-by={{ get_approval(ti)['by'] }}",
        "--approval-reason={{ get_approval(ti)['reason'] }}",
    ]
}
"""Options of the task `promote`: it records who approved, and why."""


def create_approval(timeout: timedelta) -> ApprovalOperator:
    """Create the task that waits for a person.

    A rejection, and the timeout, skip `promote` and the tasks after it.

    Args:
        timeout: How long to wait.

    Returns:
        The task.
    """
    return ApprovalOperator(
        task_id=TASK,
        subject="Promote the candidate to production?",
        body=BODY,
        doc_md="Waits until a person approves or rejects the candidate, or the time is over.",
        params={
            "reason": Param(
                "",
                type="string",
                maxLength=1000,
                title="Reason",
                description="It is stored in the promotion record, with your name.",
            )
        },
        defaults=ApprovalOperator.REJECT,
        response_timeout=timeout,
        retries=2,  # asks again if the scheduler was restarted at the moment of the answer
        retry_delay=timedelta(seconds=10),
    )


def get_approval(ti: Any) -> dict[str, str]:
    """Return who approved the promotion, and why; empty texts if nobody did.

    Args:
        ti: The task instance of `promote`.

    Returns:
        The texts `by` and `reason`.
    """
    answer = ti.xcom_pull(task_ids=TASK) or {}
    user = answer.get("responded_by_user") or {}
    if ApprovalOperator.APPROVE not in answer.get("chosen_options", ()):
        user = {}
    return {
        "by": user.get("name") or user.get("id") or "",
        "reason": (answer.get("params_input") or {}).get("reason") or "",
    }
