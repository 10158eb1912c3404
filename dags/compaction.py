"""One file of live traffic per hour instead of thousands.

Runs on its schedule, a few minutes after each hour. The predictors write what they scored every few
seconds, each into an object of its own. `compact` moves the rows of the hours that have ended into
Parquet files, which the DAG `drift` reads faster, and deletes the objects. If there are none,
Airflow shows `compact` as skipped.
"""

from dags.pods import create_dag, get_timetable

dag = create_dag("compaction", __doc__, schedule=get_timetable("compaction"))
