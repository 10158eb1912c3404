"""docs/how-to/operate.md: every value that the chart generates can be rotated."""

from __future__ import annotations

import re

from tests.cluster.rotations import read_rotations
from tests.support.chart_scenarios import CERTIFICATE, MLFLOW_USERS, OIDC, WORKERS
from tests.support.helm import RELEASE, Values, render

NAMES = {"AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_USERNAME"}
"""Keys that are not secret."""
WITHOUT_COMMAND = {"pseudonyms MLOPS_INGEST__KEY_SECRET"}

ENCRYPTED: Values = {"tls": {"internal": {"enabled": True}, "caBundle": CERTIFICATE}}


def list_generated() -> set[str]:
    """Return the secret values that the chart generates, as `SECRET KEY`.

    Secrets of the same kind, such as those of the stages, have the name of one of them.
    """
    secrets = [item for item in render(OIDC | WORKERS | ENCRYPTED) if item["kind"] == "Secret"]
    generated = {
        f"{item['metadata']['name'].removeprefix(f'{RELEASE}-')} {key}"
        for item in secrets
        for key in item["data"]
        if key not in NAMES
    }
    users = "|".join(MLFLOW_USERS)
    kinds = {r"^s3-\w+": "s3-train", f"^mlflow-({users})": "mlflow-trainer"}
    kinds[r"^\w+-tls"] = "mlflow-tls"
    for pattern, name in kinds.items():
        generated = {re.sub(pattern, name, each) for each in generated}
    return generated


def list_rotated(command: str) -> set[str]:
    """Return the values that a command of the guide replaces, as `SECRET KEY`."""
    function, *arguments = command.split()
    names = [name.removeprefix(f"{RELEASE}-") for name in arguments]
    match function:
        case "rotate":
            return {f"{names[0]} {key}" for key in arguments[1:]}
        case "rotate_certificate":
            return {each for each in list_generated() if each.split()[0] in names}
        case "rotate_database":
            return {f"postgresql {user}-password" for user in arguments}
        case "rotate_fernet_key":
            return {"airflow fernet-key"}
    raise AssertionError(f"{function} is no function of the guide")


def test_each_generated_value_has_a_command() -> None:
    """The commands name Secrets and keys that exist; only the pseudonyms' secret has none."""
    rotated = [list_rotated(command) for command in read_rotations()[1]]
    assert all(rotated)
    assert set().union(*rotated) == list_generated() - WITHOUT_COMMAND
