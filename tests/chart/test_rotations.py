"""docs/how-to/operate.md: every value that the chart generates can be rotated, or has a reason."""

from __future__ import annotations

import re

from tests.cluster.rotations import read_rotations
from tests.support.chart_scenarios import MLFLOW_USERS, OIDC, WORKERS
from tests.support.helm import RELEASE, render

NAMES = {"AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_USERNAME"}
"""Keys that are not secret."""
WITHOUT_COMMAND = {
    "airflow fernet-key",
    "postgresql postgres-password",
    "pseudonyms MLOPS_INGEST__KEY_SECRET",
    *(f"dask {key}" for key in ("ca.crt", "tls.crt", "tls.key")),
}


def list_generated() -> set[str]:
    """Return the secret values that the chart generates, as `SECRET KEY`."""
    secrets = [item for item in render(OIDC | WORKERS) if item["kind"] == "Secret"]
    generated = {
        f"{item['metadata']['name'].removeprefix(f'{RELEASE}-')} {key}"
        for item in secrets
        for key in item["data"]
        if key not in NAMES
    }
    users = "|".join(MLFLOW_USERS)
    same = {re.sub(r"^s3-\w+", "s3-train", each) for each in generated}
    return {re.sub(f"^mlflow-({users})", "mlflow-trainer", each) for each in same}


def test_each_generated_value_has_a_command_or_a_reason() -> None:
    """The commands name Secrets and keys that exist."""
    rotated = set()
    for command in read_rotations()[1]:
        function, name, *keys = command.split()
        if function == "rotate":
            rotated |= {f"{name.removeprefix(f'{RELEASE}-')} {key}" for key in keys}
        else:
            rotated.add(f"postgresql {name}-password")
    assert rotated == list_generated() - WITHOUT_COMMAND
