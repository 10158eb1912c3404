"""Delete old rows of Airflow's database and old task logs: clean.py DAYS."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

IDLE_SECONDS = 3600
"""Empty folders that changed later stay: a task may be about to write its log."""


def main(days: int, logs: Path) -> None:
    """Delete what is older than some days.

    Args:
        days: The number of days.
        logs: The folder with the task logs.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    count = delete_logs(logs, before.timestamp())
    sys.stdout.write(f"deleted {count} log files from before {before:%Y-%m-%d}\n")
    sys.stdout.flush()
    options = ["--yes", "--skip-archive", "--error-on-cleanup-failure"]
    timestamp = f"--clean-before-timestamp={before.isoformat()}"
    process = subprocess.run(["airflow", "db", "clean", timestamp, *options], check=False)
    sys.exit(process.returncode)


def delete_logs(folder: Path, before: float) -> int:
    """Delete log files that were written before a time, and the folders that this empties.

    Args:
        folder: The folder with the logs.
        before: The time, in seconds since 1970.

    Returns:
        The number of deleted files.
    """
    count = 0
    for path, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(path, name)
            if file.lstat().st_mtime < before:
                file.unlink(missing_ok=True)
                count += 1
        is_idle = Path(path).lstat().st_mtime < time.time() - IDLE_SECONDS
        if path != str(folder) and is_idle and not any(Path(path).iterdir()):
            Path(path).rmdir()
    return count


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"]))
