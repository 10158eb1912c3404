"""Whether this pod's Airflow process of a job type still beats: alive.py JOB_TYPE SECONDS.

Fails when its last heartbeat in the database is older than that. A database that does not answer is no fault of the
process, and restarting the process no cure: the check then holds.
"""

import os
import socket
import sys

import psycopg2

job_type, limit = sys.argv[1], float(sys.argv[2])
url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
try:
    connection = psycopg2.connect(url, connect_timeout=5, options="-c statement_timeout=5000")
    cursor = connection.cursor()
    cursor.execute(
        "SELECT extract(epoch FROM now() - max(latest_heartbeat)) FROM job "
        "WHERE job_type = %s AND split_part(hostname, '.', 1) = %s",
        (job_type, socket.gethostname()),
    )
    (age,) = cursor.fetchone()
except psycopg2.OperationalError as error:
    sys.stdout.write(f"the database does not answer: {error}")
    sys.exit(0)
if age is None:
    sys.exit(f"no {job_type} of this pod has begun")
if age > limit:
    sys.exit(f"the last heartbeat of this pod's {job_type} was {age:.0f} seconds ago")
