"""Check that this pod's Airflow process still sends heartbeats: alive.py JOB_TYPE SECONDS.

Fails if the last heartbeat in the database is older than SECONDS. Succeeds if the database does not
respond, because a restart of this process would not help.
"""

import os
import socket
import sys

import psycopg2

job_type, max_age_seconds = sys.argv[1], float(sys.argv[2])
url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
try:
    connection = psycopg2.connect(url, connect_timeout=5, options="-c statement_timeout=5000")
    cursor = connection.cursor()
    cursor.execute(
        "SELECT extract(epoch FROM now() - max(latest_heartbeat)) FROM job "
        "WHERE job_type = %s AND split_part(hostname, '.', 1) = %s",
        (job_type, socket.gethostname()),
    )
    (age_seconds,) = cursor.fetchone()
except psycopg2.OperationalError as error:
    sys.stdout.write(f"the database does not respond: {error}")
    sys.exit(0)
if age_seconds is None:
    sys.exit(f"no {job_type} of this pod has started")
if age_seconds > max_age_seconds:
    sys.exit(f"the last heartbeat of this pod's {job_type} was {age_seconds:.0f} s ago")
