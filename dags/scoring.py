"""Predictions for whole lists, by the model in production.

Scores every list that was uploaded to `scoring/` of the bucket `bronze`, on its schedule or when a
person starts it; `{"list": "NAME.csv"}` scores one of them. The predictions are stored in
`scores/` of the bucket `silver`, and the list is deleted. If there is no list, or all answers are
stopped, Airflow shows `score` as skipped.
"""

from airflow.sdk import Param

from dags.pods import create_dag, get_timetable

# Only a name: in a pod, a path names the pod's own files, and /proc/self/environ contains its keys.
LIST_PATTERN = r"^[^/\s.][^/\r\n]{0,199}\.csv$(?!\n)"

dag = create_dag(
    "scoring",
    __doc__,
    schedule=get_timetable("scoring"),
    params={
        "list": Param(
            None,
            type=["null", "string"],
            pattern=LIST_PATTERN,
            title="List",
            description="File name of a list in `scoring/` of the bucket `bronze`. Leave it empty "
            "to score all of them.",
        )
    },
    task_options={"score": {"arguments": ["--uploaded={{ params.list or '' }}"]}},
)
