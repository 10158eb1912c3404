"""An operator rotates every secret of a running platform whose callers have API keys."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from k8s.airflow import AirflowClient, DagRun
from k8s.release import RELEASE
from pipeline.api_keys import add_key, write_keys
from serving.access.sessions import COOKIE
from tests.cluster.airflow_runs import make_run_id, wait_for_asset_run, wait_for_run
from tests.cluster.cluster import Cluster
from tests.cluster.platform import STUDENT, Platform
from tests.cluster.rotations import (
    IDENTITIES,
    SECRETS,
    find_rotation,
    read_rotations,
    read_secrets,
    run_rotation,
)
from tests.cluster.traffic import Result, steady_traffic

pytestmark = pytest.mark.full

MAX_TRAFFIC_SECONDS = 3000.0
CALLERS = "callers"
WITH_KEYS = (*SECRETS, "predictor-key", "predictor-sessions")
NAMES = ("AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_USERNAME")
"""Keys of Secrets that are not secret."""
ELSEWHERE = (f"{RELEASE}-login", "rotate_certificate")
"""Commands for single sign-on and for encrypted connections, in test_7_sign_on.py and
test_7_tls.py."""
SCHEDULER = f"statefulset/{RELEASE}-airflow-scheduler"
POSTGRESQL = f"statefulset/{RELEASE}-postgresql"
VARIABLE, VALUE = "kept-by-a-rotation", "encrypted in the database"


@dataclass(frozen=True)
class Rotation:
    """A rotation of every secret.

    Attributes:
        before: The values of the Secrets before it, by Secret and key.
        after: The same afterwards.
        key: The API key of a caller.
        session: The cookie of that caller, who logged in before it.
        traffic: The requests with that key during it.
    """

    before: dict[str, dict[str, str]]
    after: dict[str, dict[str, str]]
    key: str
    session: str
    traffic: Result


def list_rotations() -> list[str]:
    """Return the commands of the guide for the Secrets that this release has."""
    commands = [each for each in read_rotations()[1] if not any(it in each for it in ELSEWHERE)]
    stage, login = find_rotation("s3-train"), find_rotation("mlflow-trainer")
    others = [stage.replace("train", name) for name in IDENTITIES if name != "train"]
    return [*commands, *others, login.replace("trainer", "reader")]


def run_airflow(cluster: Cluster, *arguments: str) -> str:
    """Run Airflow's command line in the scheduler's pod; return the last line of its output."""
    command = ("exec", SCHEDULER, "--", "airflow", *arguments)
    return cluster.kubectl(*command, timeout_seconds=300).strip().rpartition("\n")[2]


def send(platform: Platform, key: str) -> int:
    """Return the status of a prediction that is requested with an API key."""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{platform.predictor}/predict"
    return httpx.post(url, json=STUDENT, headers=headers, timeout=60).status_code


def log_in(platform: Platform, key: str) -> str:
    """Exchange an API key for a session, as the predictor's page does; return its cookie."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    response = httpx.post(
        f"{platform.predictor}/session", json={"key": key}, headers=headers, timeout=60
    )
    return response.raise_for_status().cookies[COOKIE]


def get_name(platform: Platform, cookie: str) -> str | None:
    """Return who is logged in with a cookie; None if the session has ended."""
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    response = httpx.get(f"{platform.predictor}/session", headers=headers, timeout=60)
    name: str | None = response.raise_for_status().json()["name"]
    return name


def put_back(cluster: Cluster, before: dict[str, dict[str, str]], values: Path) -> None:
    """Give the release its former values and Secrets, because the tests' clients have them.

    Airflow's Fernet key stays: nothing that the former one encrypted is left.
    """
    for name in SECRETS:
        former = {key: value for key, value in before[name].items() if key != "fernet-key"}
        patch = json.dumps({"stringData": former})
        cluster.kubectl("patch", "secret", f"{RELEASE}-{name}", "--patch", patch)
    for user in ("airflow", "mlflow", "postgres"):
        sql = f"ALTER USER {user} PASSWORD '{before['postgresql'][f'{user}-password']}'"
        psql = ("psql", "--username", "postgres", "--command", sql)
        cluster.kubectl("exec", POSTGRESQL, "--", *psql)
    cluster.upgrade("--reset-values", f"--values={values}")


@pytest.fixture(scope="module")
def rotation(
    platform: Platform, first: DagRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rotation]:
    """Every secret is rotated under load. Afterwards the platform is as before."""
    cluster, folder = platform.cluster, tmp_path_factory.mktemp("rotation")
    key, lines = add_key([], "registrar")
    write_keys(folder / "keys.jsonl", lines)
    cluster.create_secret(CALLERS, {"keys.jsonl": (folder / "keys.jsonl").read_text()})
    values = folder / "values.json"
    values.write_text(cluster.helm("get", "values", RELEASE, "--output", "json"))
    cluster.upgrade("--reuse-values", f"--set=predictor.apiKeys.existingSecret={CALLERS}")
    before = read_secrets(cluster, WITH_KEYS)
    try:
        run_airflow(cluster, "variables", "set", VARIABLE, VALUE)
        session = log_in(platform, key)
        assert get_name(platform, session) == "registrar"
        traffic = {"rate": 10, "seconds": MAX_TRAFFIC_SECONDS}
        with steady_traffic(platform.predictor, STUDENT, key, **traffic) as result:
            for command in list_rotations():
                run_rotation(cluster, command)
        cluster.wait_until_rolled_out()
        yield Rotation(before, read_secrets(cluster, WITH_KEYS), key, session, result)
        run_airflow(cluster, "variables", "delete", VARIABLE)
    finally:
        put_back(cluster, before, values)
        platform.wait_for_new_pods()
        cluster.kubectl("delete", "secret", CALLERS)
        cluster.helm("test", RELEASE)


def test_no_request_failed(rotation: Rotation) -> None:
    """The caller's key was accepted all the time."""
    assert rotation.traffic.answered
    assert not rotation.traffic.failed, rotation.traffic


def test_every_value_is_another_one(rotation: Rotation) -> None:
    """And each value is still there."""
    kept = {
        f"{name} {key}"
        for name, values in rotation.before.items()
        for key, value in values.items()
        if rotation.after[name][key] == value and key not in NAMES
    }
    assert not kept


def test_the_former_key_and_the_sessions_are_refused(
    platform: Platform, rotation: Rotation
) -> None:
    """Stages send the new key, and people log in again with the keys that they have."""
    name = "MLOPS_PREDICTOR__API_KEY"
    keys = [secrets["predictor-key"][name] for secrets in (rotation.before, rotation.after)]
    assert [send(platform, key) for key in (*keys, rotation.key)] == [401, 200, 200]
    assert get_name(platform, rotation.session) is None
    assert get_name(platform, log_in(platform, rotation.key)) == "registrar"


@pytest.mark.parametrize("user", ["postgres", "airflow", "mlflow"])
def test_the_database_refuses_the_former_password(
    platform: Platform, rotation: Rotation, user: str
) -> None:
    """It accepts the one in the Secret. The address of the pod is one that needs a password."""
    query = 'psql "postgresql://$0:$1@$(cat /etc/hostname)/$0" --command "SELECT 1"'

    def log_in(secrets: dict[str, dict[str, str]]) -> str:
        password = secrets["postgresql"][f"{user}-password"]
        command = ("sh", "-c", query, user, password)
        return platform.cluster.kubectl("exec", POSTGRESQL, "--", *command)

    assert "1 row" in log_in(rotation.after)
    with pytest.raises(Exception, match="password authentication failed"):
        log_in(rotation.before)


def test_airflow_has_one_key_and_its_values(platform: Platform, rotation: Rotation) -> None:
    """It decrypts a variable of before the rotation with the only key that its pods have."""
    key = rotation.after["airflow"]["fernet-key"]
    assert "," not in key
    assert run_airflow(platform.cluster, "config", "get-value", "core", "fernet_key") == key
    assert run_airflow(platform.cluster, "variables", "get", VARIABLE) == VALUE


def test_the_platform_works(platform: Platform, rotation: Rotation) -> None:
    """`helm test` passes, and so do the runs of all DAGs that a training starts."""
    platform.cluster.helm("test", RELEASE)
    password = rotation.after["airflow"]["admin-password"]
    with contextlib.closing(AirflowClient(platform.airflow.url, "admin", password)) as airflow:
        run_id = make_run_id("rotated")
        airflow.trigger("training", run_id, source="sample:2000")
        training = wait_for_run(airflow, "training", run_id)
        assert training.state == "success", airflow.get_states("training", run_id)
        if airflow.get_states("training", run_id)["register"] == "success":
            deployment = wait_for_asset_run(airflow, "deployment", training.started_at)
            states = airflow.get_states("deployment", deployment.run_id)
            assert deployment.state == "success", states
