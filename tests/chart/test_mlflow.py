"""MLflow's templates."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
from typing import Any

import pytest

from dags.pod_spec import build_pod
from pipeline.stages import COMMAND_TASKS, STAGES
from pipeline.tracking.login import PASSWORD, USERNAME
from tests.support.chart_scenarios import EXTERNAL, MLFLOW_USERS, OIDC
from tests.support.helm import (
    NAMESPACE,
    Manifest,
    Values,
    find,
    get_by_hand_pod,
    get_container,
    get_names,
    get_pod_specs,
    get_pods_file,
    get_secret_names,
    get_variables,
    render,
)
from tests.support.mlflow_server import PASSWORD_FUNCTION

TASKS = (*STAGES, *COMMAND_TASKS)


def get_environment(values: Values) -> dict[str, Any]:
    return get_variables(get_container(find(render(values), "Deployment", "mlflow")))


def is_allowed(values: Values, host: str) -> bool:
    """Return whether MLflow accepts a Host header, by the rule of its server.

    An allowed host is equal to an entry, or matches an entry that contains a star.
    """
    allowed = get_environment(values)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    return any(fnmatch.fnmatch(host, item) if "*" in item else host == item for item in allowed)


@pytest.mark.parametrize(
    "host",
    [
        "student-mlops-mlflow:5000",
        "student-mlops-mlflow-internal:5000",
        f"student-mlops-mlflow.{NAMESPACE}:5000",
        f"student-mlops-mlflow.{NAMESPACE}.svc.cluster.local:5000",
        "localhost:5000",
        "127.0.0.1:8081",
    ],
)
def test_accepted_hosts(host: str) -> None:
    """The cluster's pods and a browser behind a port-forward are accepted, with any port."""
    assert is_allowed({}, host)


@pytest.mark.parametrize(
    "host",
    ["evil.org", "evil.org:5000", "student-mlops-mlflow.evil.org:5000", "localhost.evil.org"],
)
def test_refused_hosts(host: str) -> None:
    """Any other host is refused, so that DNS rebinding does not reach the server."""
    assert not is_allowed({}, host)


def test_hosts_in_values() -> None:
    """`allowedHosts` adds host names, with and without a port."""
    values = {"mlflow": {"allowedHosts": ["mlflow.school.org", "*.lan"]}}
    for host in ("mlflow.school.org", "mlflow.school.org:443", "a.lan", "a.lan:5000"):
        assert is_allowed(values, host)
    assert not is_allowed(values, "other.school.org")


@pytest.mark.parametrize(
    ("values", "bucket"),
    [
        ({}, "s3://models/mlflow"),
        ({"objectStore": {"bucketPrefix": "school"}}, "s3://school-models/mlflow"),
    ],
)
def test_the_server_stores_the_artifacts(values: Values, bucket: str) -> None:
    """The server proxies artifacts to the models' bucket, so that clients need no S3 keys."""
    environment = get_environment(values)
    assert environment["MLFLOW_ARTIFACTS_DESTINATION"] == bucket
    assert environment["MLFLOW_S3_ENDPOINT_URL"] == "http://student-mlops-minio:9000"


def test_no_telemetry_and_few_processes() -> None:
    """MLflow sends no telemetry, runs no jobs, and starts as many workers as the values say."""
    environment = get_environment({})
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    deployment = find(render({"mlflow": {"workers": 2}}), "Deployment", "mlflow")
    assert "--workers=2" in get_container(deployment)["args"]


def test_own_variables_replace_the_charts() -> None:
    """A variable in `mlflow.env` replaces the chart's, also with a value that counts as empty."""
    own = {"MLFLOW_DISABLE_TELEMETRY": False, "PGPASSWORD": "mine", "MLFLOW_LOGGING_LEVEL": "DEBUG"}
    environment = get_environment({"mlflow": {"env": own}})
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "false"
    assert environment["PGPASSWORD"] == "mine"
    assert environment["MLFLOW_LOGGING_LEVEL"] == "DEBUG"


def test_secrets_need_no_key_that_a_variable_replaces() -> None:
    """An existing Secret without the key would keep the pod from starting."""
    manifests = render({"mlflow": {"env": {"PGPASSWORD": "mine"}}})
    spec = find(manifests, "Deployment", "mlflow")["spec"]["template"]["spec"]
    names = get_secret_names(spec, spec["containers"][0])
    assert "student-mlops-mlflow" in names
    assert "student-mlops-postgresql" not in names


def test_migrates_before_it_serves() -> None:
    """An init container upgrades the tables, with the server's variables."""
    spec = find(render(), "Deployment", "mlflow")["spec"]["template"]["spec"]
    (migrate, users), (server,) = spec["initContainers"], spec["containers"]
    program = ["python", "-m", "pipeline.secret_files"]
    assert migrate["command"] == [
        *(*program, "mlflow", "db", "upgrade", "$(MLFLOW_BACKEND_STORE_URI)")
    ]
    assert users["command"][:3] == program
    assert server["command"] == [*program, "mlflow"]
    assert migrate["env"] == users["env"] == server["env"]
    assert "password" not in get_variables(server)["MLFLOW_BACKEND_STORE_URI"]


def test_login() -> None:
    """The server asks for a login, and its pod gives each user the password of a Secret."""
    manifests = render()
    spec = find(manifests, "Deployment", "mlflow")["spec"]["template"]["spec"]
    (_, users), (server,) = spec["initContainers"], spec["containers"]
    assert "--app-name=basic-auth" in server["args"]
    files = find(manifests, "ConfigMap", "mlflow-files")["data"]
    config = read_login(files)
    variables = get_variables(server)
    assert config["default_permission"] == "READ"
    assert config["database_uri"] == variables["MLFLOW_BACKEND_STORE_URI"]
    program, folder = users["command"][3:]
    mounts = {mount["name"]: mount["mountPath"] for mount in users["volumeMounts"]}
    assert (f"{mounts['files']}/users.py", mounts["users"]) == (program, folder)
    assert variables["MLFLOW_AUTH_CONFIG_PATH"] == f"{mounts['files']}/auth.ini"
    volume = next(item for item in spec["volumes"] if item["name"] == "users")
    paths = {
        item["path"]: source["secret"]["name"]
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert paths == {
        f"{user}/{key}": f"student-mlops-mlflow-{user}"
        for user in MLFLOW_USERS
        for key in (USERNAME, PASSWORD)
    }


def test_single_sign_on() -> None:
    """With an issuer, MLflow's login also checks tokens; without, only passwords."""
    manifests = render(OIDC)
    server = get_container(find(manifests, "Deployment", "mlflow"))
    variables = get_variables(server)
    issuer = OIDC["auth"]["oidc"]["issuer"]
    assert (variables["OIDC_ISSUER"], variables["OIDC_CLIENT_ID"]) == (issuer, "student-mlops")
    assert json.loads(variables["OIDC_ROLES"])["approver"] == ["approver"]
    assert "OIDC_CLIENT_SECRET" not in variables
    mounts = {mount["name"]: mount["mountPath"] for mount in server["volumeMounts"]}
    assert variables["PYTHONPATH"] == mounts["files"]
    files = find(manifests, "ConfigMap", "mlflow-files")["data"]
    module, function = read_login(files)["authorization_function"].split(":")
    assert f"def {function}(" in files[f"{module}.py"]
    for imported in ("id_tokens", "logins"):
        assert f"from {imported} import" in files[f"{module}.py"]
        assert f"{imported}.py" in files
    files = find(render(), "ConfigMap", "mlflow-files")["data"]
    assert files.keys() == {"users.py", "logins.py", "auth.ini"}
    assert read_login(files)["authorization_function"] == PASSWORD_FUNCTION


def read_login(files: dict[str, str]) -> configparser.SectionProxy:
    """Return the configuration of the login."""
    config = configparser.ConfigParser()
    config.read_string(files["auth.ini"])
    return config["mlflow"]


def list_logins(manifests: list[Manifest]) -> dict[str, set[str]]:
    """Return the Secrets with logins that each pod gets, in any way, without the empty ones."""
    pods = dict(get_pod_specs(manifests)) | {
        task.name: build_pod(task, [], get_pods_file(manifests))["spec"] for task in TASKS
    }
    pods["commands"] = get_by_hand_pod(manifests)["spec"]
    secret = r"student-mlops-mlflow-(?!files|internal)[a-z]+|login-of-\w+"
    found = {name: set(re.findall(secret, str(spec))) for name, spec in pods.items()}
    return {name: logins for name, logins in found.items() if logins}


def test_who_has_which_login() -> None:
    """Each pod has the login that it needs; only MLflow's own pod has the administrator's."""
    logins = {
        task.name: {f"student-mlops-mlflow-{task.mlflow_user}"}
        for task in TASKS
        if task.mlflow_user
    }
    assert list_logins(render()) == logins | {
        "commands": {"student-mlops-mlflow-deployer"},
        "student-mlops-predictor": {"student-mlops-mlflow-reader"},
        # Its container of MLflow's image has the administrator's name, as MLflow's own has.
        "student-mlops-retention": {"student-mlops-mlflow-cleaner", "student-mlops-mlflow-admin"},
        "student-mlops-test-mlflow": {"student-mlops-mlflow-reader"},
        "student-mlops-mlflow": {f"student-mlops-mlflow-{user}" for user in MLFLOW_USERS},
    }


def test_logins_of_an_external_server() -> None:
    """An external server gets the logins that exist, and the chart generates none."""
    manifests = render(EXTERNAL)
    deployers = {task.name for task in TASKS if task.mlflow_user == "deployer"} | {"commands"}
    assert list_logins(manifests) == {name: {"login-of-deployer"} for name in deployers}
    assert not any("mlflow" in name for name in get_names(manifests, "Secret"))


def test_external() -> None:
    """An external tracking server replaces MLflow everywhere."""
    url = "https://mlflow.school.org"
    values = {
        "mlflow": {"enabled": False, "external": {"url": url}},
        "networkPolicy": {"external": {"mlflow": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}},
    }
    manifests = render(values)
    assert find(manifests, "ConfigMap", "settings")["data"]["MLOPS_MLFLOW__TRACKING_URI"] == url
    for kind in ("Deployment", "Service", "NetworkPolicy"):
        assert not any("mlflow" in name for name in get_names(manifests, kind))
