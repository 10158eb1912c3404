"""Predictions for whole lists, by the model in production.

Scores every list that was uploaded to `scoring/` of the bucket `bronze`, on its schedule or when a
person starts it; `{"list": "NAME.csv"}` scores one of them. The predictions are stored in
`scores/` of the bucket `silver`, and the list is deleted. If there is no list, or all answers are
stopped, Airflow shows `score` as skipped.
"""

from airflow.sdk import Param

from dags.pods import create_dag, get_timetable
from pipeline.storage.layout import LIST_NAME

dag = create_dag(
    "scoring",
    __doc__,
    schedule=get_timetable("scoring"),
    params={
        "list": Param(
            None,
            type=["null", "string"],
            pattern=rf"^{LIST_NAME}$(?!\n)",
            title="List",
            description="File name of a list in `scoring/` of the bucket `bronze`. Leave it empty "
            "to score all of them.",
        )
    },
    task_options={"score": {"arguments": ["--uploaded={{ params.list or '' }}"]}},
)
