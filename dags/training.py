"""From raw rows to a registered candidate.

Runs on its schedule, and whenever the DAG `drift` finds that recent traffic differs from the
production model's training data. If the candidate fails a gate, `register` is skipped and its log
names the gate and the margin.

A run can be started with its own data source: `{"source": "sample:1000"}`, or `gdrive:ID`,
`https://...`, `s3://BUCKET/KEY`. The stages of a run find each other's results by the run id, so
any of them can be cleared and run again.
"""

from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, Param

from dags.pods import create_dag, get_timetable

SOURCE_VARIABLE = "MLOPS_INGEST__SOURCE"

# No paths: in a pod, a path names the pod's own files, and /proc/self/environ contains its keys.
SOURCES = (
    "gdrive:[A-Za-z0-9_-]+",
    r"https?://[^\s/]\S*",
    r"s3://[^\s/]+/\S[^\r\n]*",
    "sample(:[1-9][0-9]*)?",
)
SOURCE_PATTERN = rf"^({'|'.join(SOURCES)})$(?!\n)"


def set_source(context: Any) -> None:
    """Make the run's `source` replace the source in the settings."""
    if source := context["params"].get("source"):
        context["task"].env_vars = {SOURCE_VARIABLE: source}


drift = Asset("drift")
timetable = get_timetable("training")

dag = create_dag(
    "training",
    __doc__,
    schedule=AssetOrTimeSchedule(timetable=timetable, assets=drift) if timetable else [drift],
    params={
        "source": Param(
            None,
            type=["null", "string"],
            pattern=SOURCE_PATTERN,
            title="Data source",
            description="`gdrive:ID`, `https://...`, `s3://BUCKET/KEY`, `sample` or `sample:ROWS`. "
            "Leave it empty to use the source in the settings.",
        )
    },
    task_options={"ingest": {"pre_execute": set_source}},
)
