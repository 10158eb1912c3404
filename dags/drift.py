"""Whether the students of today still look like those that the production model learned from.

Runs by its timetable over the traffic that the predictor logged. Past the threshold it asks for training, which alone
never changes what serves; otherwise `drift` ends as skipped, and its log says why: no drift, too few rows, or asked too recently.
"""

from airflow.sdk import CronTriggerTimetable

from dags.pods import dag_of, pods

timetable = pods()["schedules"]["drift"]

dag = dag_of("drift", __doc__, schedule=CronTriggerTimetable(timetable, timezone="UTC") if timetable else None)
