"""Requests to Airflow. `{run}` is the id of a run of the DAG `training`."""

from __future__ import annotations

from tests.support.role_requests import Call, Rows

API = "/api/v2"
RUN = f"{API}/dags/training/dagRuns/{{run}}"
UNKNOWN_RUN = f"{API}/dags/training/dagRuns/unknown"
UNKNOWN_APPROVAL = f"{API}/dags/deployment/dagRuns/unknown/taskInstances/approve"
OTHER_APPROVAL = f"{UNKNOWN_RUN}/taskInstances/approve/-1/hitlDetails"
APPROVAL = {"chosen_options": ["Approve"], "params_input": {}}
CLEAR = {"dry_run": True, "dag_run_id": "{run}", "task_ids": ["ingest"], "only_failed": False}
CONNECTION = {"connection_id": "unknown", "conn_type": "http"}
XCOM = {"key": "return_value", "value": "Approve"}
RUNS = {"is_paused": False}
"""The state of a DAG that is not paused, as those of the platform."""

ROWS: Rows = {
    "list the DAGs": (Call("GET", f"{API}/dags"),),
    "read the log of a stage": (Call("GET", f"{RUN}/taskInstances/ingest/logs/1"),),
    "read the parameters of a run": (Call("GET", RUN),),
    "read an XCom": (
        Call("GET", f"{RUN}/taskInstances/ingest/xcomEntries/unknown", allowed=(404,)),
    ),
    "read the import errors": (Call("GET", f"{API}/importErrors"),),
    "start a run": (
        Call(
            "POST",
            f"{API}/dags/training/dagRuns",
            {"dag_run_id": "{run}", "logical_date": None},
            allowed=(409,),  # the run exists
        ),
    ),
    "stop the answers": (
        Call(
            "POST",
            f"{API}/dags/stop/dagRuns",
            {"logical_date": None},
            allowed=(400,),  # the reason is missing
        ),
    ),
    "clear a task": (Call("POST", f"{API}/dags/training/clearTaskInstances", CLEAR),),
    "mark a task as successful": (
        Call(
            "PATCH",
            f"{UNKNOWN_RUN}/taskInstances/ingest",
            {"new_state": "success"},
            allowed=(404,),
        ),
    ),
    "pause the DAG `training`": (Call("PATCH", f"{API}/dags/training", RUNS),),
    "pause the DAG `deployment`": (Call("PATCH", f"{API}/dags/deployment", RUNS),),
    "approve a candidate": (
        Call("PATCH", f"{UNKNOWN_APPROVAL}/-1/hitlDetails", APPROVAL, allowed=(404,)),
    ),
    "answer a question of another DAG": (Call("PATCH", OTHER_APPROVAL, APPROVAL, allowed=(404,)),),
    "write an XCom": (Call("POST", f"{UNKNOWN_APPROVAL}/xcomEntries", XCOM, allowed=(404,)),),
    "delete a run or a DAG": (
        Call("DELETE", UNKNOWN_RUN, allowed=(404,)),
        Call("DELETE", f"{API}/dags/unknown", allowed=(404,)),
    ),
    "read the connections or the variables": (
        Call("GET", f"{API}/connections"),
        Call("GET", f"{API}/variables"),
    ),
    "change a connection": (
        Call("PATCH", f"{API}/connections/unknown", CONNECTION, allowed=(404,)),
    ),
    "read the audit log": (Call("GET", f"{API}/eventLogs"),),
    "list the users or the roles": (
        Call("GET", "/auth/fab/v1/users"),
        Call("GET", "/auth/fab/v1/roles"),
    ),
    "read Airflow's configuration": (Call("GET", f"{API}/config"),),
}
