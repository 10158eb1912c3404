"""From raw rows to a registered candidate.

Runs by its timetable and whenever the DAG `drift` has found that the students of today differ from those the production
model learned from. It ends well with `register` skipped when the candidate fails a gate: the log says which, and by how much.

A run may be started with a data source of its own: `{"source": "sample:1000"}`, or `gdrive:ID`, `https://...`,
`s3://BUCKET/KEY`. The stages of a run find each other's results by its id; any of them can be cleared and run again.
"""

from airflow.sdk import Asset, AssetOrTimeSchedule, Param

from dags.pods import dag_of, timetable_of

DRIFT = Asset("drift")
timetable = timetable_of("training")

dag = dag_of(
    "training",
    __doc__,
    schedule=AssetOrTimeSchedule(timetable=timetable, assets=DRIFT) if timetable else [DRIFT],
    params={
        "source": Param(
            None,
            type=["null", "string"],
            title="Data source",
            description="`gdrive:ID`, `https://...`, `s3://BUCKET/KEY`, `sample` or `sample:ROWS`. Empty: as the settings say.",
        )
    },
)
