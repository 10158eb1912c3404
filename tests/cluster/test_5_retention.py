"""The CronJob that deletes what is no longer needed, run at once as the guide shows."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import Any

import pytest

from k8s.airflow import DagRun
from k8s.process import ROOT
from pipeline.commands.buckets import LIFECYCLE_RULE
from pipeline.storage.s3 import s3_client
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.platform import FIRST, Platform

pytestmark = pytest.mark.full

GUIDE = ROOT / "docs" / "how-to" / "operate.md"
JOB = "retention-now"
TIMEOUT_SECONDS = 600


def read_commands() -> str:
    """Return the guide's commands that run the CronJob at once, and then show its log."""
    blocks = re.findall(r"^```\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (commands,) = (block for block in blocks if f" {JOB}\n" in block)
    return str(commands)


def run_commands(platform: Platform) -> str:
    """Run them, and return what they print."""
    kubectl = f'kubectl() {{ command {shlex.join(platform.cluster.get_command())} "$@"; }}\n'
    completed = subprocess.run(
        ["bash", "-euc", kubectl + read_commands()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_the_cronjob_deletes_nothing_that_is_needed(platform: Platform, first: DagRun) -> None:
    """All of its containers succeed: the lake's, MLflow's and Airflow's; the model stays."""
    cluster, registry = platform.cluster, platform.registry
    cluster.kubectl("delete", "job", JOB, "--ignore-not-found")
    before = registry.get_by_alias(PRODUCTION)
    bronze = platform.lake.keys("bronze/")
    try:
        log = run_commands(platform)
    finally:
        cluster.kubectl("delete", "job", JOB, "--ignore-not-found")
    assert "deleted 0 log files from before" in log  # clean.py
    assert "| bronze " in log  # holdings
    assert "nothing has expired" in log
    assert registry.get_by_alias(PRODUCTION) == before
    assert platform.lake.keys("bronze/") == bronze
    assert platform.airflow.get_run("training", FIRST) is not None


def test_minio_deletes_old_versions_in_bronze(platform: Platform) -> None:
    """The bucket has the lifecycle rule, with the days of the settings."""
    client: Any = s3_client(platform.store)
    rules = client.get_bucket_lifecycle_configuration(Bucket="bronze")["Rules"]
    (rule,) = (rule for rule in rules if rule["ID"] == LIFECYCLE_RULE)
    days = platform.context.settings.retention.old_version_days
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": days}
