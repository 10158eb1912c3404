"""Whether the students of today still look like those that the production model learned from.

Runs by its timetable over the traffic that the predictor logged. Past the threshold it asks for training, which alone never
changes what serves; otherwise Airflow shows `drift` as skipped, and its log says why: no drift, too few rows, or asked too
recently. `demote` holds the production model to its gates on the newest labelled rows, and puts the previous one back when
it fails them and that one does not.
"""

from dags.pods import dag_of, timetable_of

dag = dag_of("drift", __doc__, schedule=timetable_of("drift"))
