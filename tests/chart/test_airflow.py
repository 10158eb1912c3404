"""Airflow's templates."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

import pytest

from tests.support.chart_scenarios import CERTIFICATE, KEYS_OF_THEIR_OWN
from tests.support.helm import (
    Manifest,
    Values,
    find,
    get_container,
    get_containers,
    get_names,
    get_pod,
    get_secret_keys,
    get_secret_sources,
    get_variables,
    render,
)

WORKLOADS = {
    "api-server": ("Deployment", "airflow-api-server"),
    "scheduler": ("StatefulSet", "airflow-scheduler"),
    "dag-processor": ("Deployment", "airflow-dag-processor"),
}
PUBLISHED: Values = {"enabled": True, "host": "airflow.school.org"}


@pytest.mark.parametrize("component", WORKLOADS)
def test_components_share_settings_and_secrets(component: str) -> None:
    """Only the api-server and the scheduler have the keys of the requests between them."""
    spec = find(render(), *WORKLOADS[component])["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": "student-mlops-airflow"}}]
    common = {
        "PGPASSWORD": ("student-mlops-postgresql", "airflow-password"),
        "AIRFLOW__CORE__FERNET_KEY": ("student-mlops-airflow", "fernet-key"),
    }
    signing = {
        "AIRFLOW__API_AUTH__JWT_SECRET": ("student-mlops-airflow", "jwt-secret"),
        "AIRFLOW__API__SECRET_KEY": ("student-mlops-airflow", "api-secret-key"),
    }
    is_signing = component != "dag-processor"
    assert get_secret_keys(spec, container) == (common | signing if is_signing else common)
    assert get_secret_keys(spec, spec["initContainers"][0]) == common


@pytest.mark.parametrize("component", WORKLOADS)
def test_programs_read_the_files_of_secrets(component: str) -> None:
    """Every program, those of the probes included, starts in the process that reads the files."""
    spec = find(render(), *WORKLOADS[component])["spec"]["template"]["spec"]
    commands = [container["command"][4:] for container in get_containers(spec)]
    probes = [spec["containers"][0][probe] for probe in ("startupProbe", "livenessProbe")]
    commands += [probe["exec"]["command"] for probe in probes if "exec" in probe]
    for command in commands:
        assert command[:3] == ["python", "-m", "pipeline.secret_files"]


def test_tasks_reach_the_api() -> None:
    """Tasks call the API at the api-server's Service, which selects the api-server's pods."""
    manifests = render()
    settings = find(manifests, "ConfigMap", "airflow")["data"]
    assert (
        settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
        == "http://student-mlops-airflow-api-server:8080/execution/"
    )
    service = find(manifests, "Service", "airflow-api-server")
    pod = find(manifests, *WORKLOADS["api-server"])["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_the_scheduler_has_a_dns_name_for_its_logs() -> None:
    """A headless Service gives the scheduler's pod a name from which its logs are fetched."""
    manifests = render()
    scheduler = find(manifests, *WORKLOADS["scheduler"])
    service_name = scheduler["spec"]["serviceName"].removeprefix("student-mlops-")
    service = find(manifests, "Service", service_name)
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert {"name": "logs", "containerPort": 8793} in get_container(scheduler)["ports"]


def test_migrations_use_no_hook() -> None:
    """The scheduler migrates the database in an init container, and the others wait for it.

    A hook would block `helm install --wait`: it would wait for pods that wait for it.
    """
    manifests = render()
    init = {
        component: get_containers(find(manifests, *place)["spec"]["template"]["spec"])[0]
        for component, place in WORKLOADS.items()
    }
    assert init["scheduler"]["command"][-2:] == ["db", "migrate"]
    for component in ("api-server", "dag-processor"):
        assert "check-migrations" in init[component]["command"]
    hooks = {item["metadata"].get("annotations", {}).get("helm.sh/hook") for item in manifests}
    assert hooks == {None, "test"}


@pytest.mark.parametrize("component", WORKLOADS)
def test_every_component_waits_for_the_database(component: str) -> None:
    """A component does not crash without the database, after which Kubernetes would back off."""
    spec = find(render(), *WORKLOADS[component])["spec"]["template"]["spec"]
    for container in (spec["initContainers"][0], spec["containers"][0]):
        assert container["command"][:4] == [
            "python",
            "/opt/student-mlops/wait_for.py",
            "student-mlops-postgresql",
            "5432",
        ]


def test_the_scheduler_has_the_least_rights() -> None:
    """The scheduler may only manage pods and read their logs and events, in its namespace."""
    manifests = render()
    rules = find(manifests, "Role", "airflow-scheduler")["rules"]
    verbs = {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}
    assert all(rule["apiGroups"] == [""] for rule in rules)
    assert verbs == {
        "pods": {"create", "get", "list", "watch", "delete", "patch"},
        "pods/log": {"get"},
        "events": {"list", "watch"},
    }
    assert get_names(manifests, "ClusterRole") == get_names(manifests, "ClusterRoleBinding") == []
    binding = find(manifests, "RoleBinding", "airflow-scheduler")
    assert binding["roleRef"]["name"] == "student-mlops-airflow-scheduler"
    assert [subject["name"] for subject in binding["subjects"]] == [
        "student-mlops-airflow-scheduler"
    ]


def test_changes_of_stages_restart_nothing() -> None:
    """A changed image, schedule or setting of a stage does not interrupt Airflow's tasks."""
    changed = {
        "images": {"train": {"tag": "new"}},
        "dags": {"retries": 9, "schedules": {"drift": "@hourly"}},
        "settings": {"MLOPS_GATES__MIN_RECALL": 0.7},
    }
    before, after = (render(KEYS_OF_THEIR_OWN | values) for values in ({}, changed))
    for place in WORKLOADS.values():
        assert find(after, *place)["spec"] == find(before, *place)["spec"]


def test_changed_settings_restart_it() -> None:
    """A setting that Airflow reads only when it starts restarts every component."""
    for kind, name in WORKLOADS.values():
        before, after = (
            find(render(values), kind, name)["spec"]["template"]["metadata"]["annotations"]
            for values in (
                KEYS_OF_THEIR_OWN,
                KEYS_OF_THEIR_OWN | {"airflow": {"existingSecret": "s", "parallelism": 9}},
            )
        )
        assert before != after


def test_sessions_and_tokens_end_after_12_hours() -> None:
    """A token that a program requested is valid no longer than a person's session."""
    settings = find(render(), "ConfigMap", "airflow")["data"]
    minutes = int(settings["AIRFLOW__FAB__SESSION_MAX_LIFETIME_MINUTES"])
    assert int(settings["AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME"]) == minutes * 60 == 12 * 3600


def test_own_variables() -> None:
    """`airflow.env` adds variables, with numbers and booleans as text."""
    own = {"AIRFLOW__X__Y": 3, "AIRFLOW__X__Z": True, "AIRFLOW__X__BYTES": 3_000_000_000}
    settings = find(render({"airflow": {"env": own}}), "ConfigMap", "airflow")["data"]
    assert settings["AIRFLOW__X__Y"] == "3"
    assert settings["AIRFLOW__X__Z"] == "true"
    assert settings["AIRFLOW__X__BYTES"] == "3000000000"


def test_own_variables_replace_the_charts() -> None:
    """A variable in `airflow.env` replaces the chart's; one from a Secret, when it is read."""
    own = {"AIRFLOW__CORE__LOAD_EXAMPLES": True, "AIRFLOW__API__SECRET_KEY": "mine"}
    manifests = render({"airflow": {"env": own}})
    settings = find(manifests, "ConfigMap", "airflow")["data"]
    assert settings["AIRFLOW__CORE__LOAD_EXAMPLES"] == "true"
    assert settings["AIRFLOW__API__SECRET_KEY"] == "mine"


def test_secrets_need_no_key_that_a_variable_replaces() -> None:
    """No volume mounts such a key. Without any key left, it does not mount the Secret at all."""
    own = {"AIRFLOW__CORE__FERNET_KEY": "mine", "PGPASSWORD": "", "ADMIN_PASSWORD": "mine"}
    manifests = render({"airflow": {"env": own, "existingSecret": "theirs"}})
    found: dict[str, set[str]] = {}
    for kind, name in (*WORKLOADS.values(), ("CronJob", "retention")):
        pod = get_pod(find(manifests, kind, name))
        assert pod is not None
        for volume in pod["spec"]["volumes"]:
            for source in volume.get("projected", {}).get("sources", ()):
                keys = {item["key"] for item in source["secret"].get("items", ())}
                found.setdefault(source["secret"]["name"], set()).update(keys or {"all keys"})
    optional = {f"{user}-password" for user in LOCAL_USERS if user != "admin"}
    assert found["theirs"] == {"jwt-secret", "api-secret-key"} | optional
    assert found.get("student-mlops-postgresql") == {"mlflow-password"}  # of MLflow's container


def test_generated_keys() -> None:
    """The Fernet key is 32 bytes in URL-safe base64, and no two generated values are equal."""
    secret: Manifest = find(render(), "Secret", "airflow")["data"]
    key = base64.b64decode(secret["fernet-key"])
    assert len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    assert all(first != second for first, second in pairwise(sorted(secret.values())))


LOCAL_USERS = ("admin", "viewer", "operator", "approver")
OIDC: Values = {
    "issuer": "https://login.school.org/realms/school",
    "existingSecret": "client",
    "peers": [{"ipBlock": {"cidr": "192.0.2.7/32"}}],
}


def test_the_passwords_are_not_in_the_manifest() -> None:
    """The pod reads them from the Secret, which must have that of the administrator."""
    api_server = find(render(), *WORKLOADS["api-server"])["spec"]["template"]["spec"]
    users = api_server["initContainers"][1]
    optional = {
        item["key"]: source.get("optional", False)
        for source in get_secret_sources(api_server, users)
        for item in source["items"]
    }
    keys = get_secret_keys(api_server, users)
    for role in LOCAL_USERS:
        assert keys[f"{role.upper()}_PASSWORD"] == ("student-mlops-airflow", f"{role}-password")
        assert optional[f"{role}-password"] is (role != "admin")
    for container in (api_server["initContainers"][0], api_server["containers"][0]):
        assert "ADMIN_PASSWORD" not in get_secret_keys(api_server, container)
    assert find(render(), "ConfigMap", "airflow")["data"]["ADMIN_USER"] == "admin"
    generated = find(render(), "Secret", "airflow")["data"]
    assert {f"{role}-password" for role in LOCAL_USERS} < generated.keys()


def test_helm_test_logs_in_as_a_viewer() -> None:
    """Its pod has the password of the user with the least rights, and needs no other."""
    pod = find(render(), "Pod", "test-airflow")["spec"]
    assert "viewer-password" in str(pod)
    assert "admin-password" not in str(pod)


def test_people_log_in_at_an_issuer() -> None:
    """Only the api-server has the client's secret and may reach the issuer."""
    manifests = render({"auth": {"oidc": OIDC}})
    settings = find(manifests, "ConfigMap", "airflow")["data"]
    assert settings["OIDC_ISSUER"] == OIDC["issuer"]
    assert settings["OIDC_SCOPES"] == "openid email profile"
    assert json.loads(settings["OIDC_ROLES"])["approver"] == ["approver"]
    for component, place in WORKLOADS.items():
        spec = find(manifests, *place)["spec"]["template"]["spec"]
        secrets = [
            get_secret_keys(spec, container).get("OIDC_CLIENT_SECRET")
            for container in get_containers(spec)
        ]
        expected = ("client", "OIDC_CLIENT_SECRET")
        assert [secret for secret in secrets if secret] == (
            [expected] if component == "api-server" else []
        )
        egress = find(manifests, "NetworkPolicy", place[1])["spec"]["egress"]
        reaches_issuer = any(rule.get("to") == OIDC["peers"] for rule in egress)
        assert reaches_issuer is (component == "api-server")


def test_the_issuer_may_have_a_private_authority() -> None:
    """The api-server's requests to the issuer trust `tls.caBundle`, and only with an issuer."""
    bundle = {"tls": {"caBundle": CERTIFICATE}}
    for values, expected in (
        (bundle, None),
        (bundle | {"auth": {"oidc": OIDC}}, "/etc/student-mlops-ca/ca.crt"),
    ):
        api_server = get_container(find(render(values), *WORKLOADS["api-server"]))
        assert get_variables(api_server).get("REQUESTS_CA_BUNDLE") == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"ingress": PUBLISHED | {"tlsSecretName": "certificate"}}, True),
        ({"ingress": PUBLISHED | {"tlsTerminatedUpstream": True}}, True),
    ],
)
def test_sessions_behind_an_ingress(values: Values, expected: bool) -> None:
    """Cookies are sent only over TLS if people use it, and the ingress reports the client."""
    controller: Values = {"networkPolicy": {"webInterfaces": [{"podSelector": {}}]}}
    settings = find(render({"airflow": values} | controller), "ConfigMap", "airflow")["data"]
    assert settings.get("AIRFLOW__FAB__COOKIE_SECURE") == ("true" if expected else None)
    assert ("AIRFLOW__FAB__ENABLE_PROXY_FIX" in settings) is expected


def test_disabled() -> None:
    """Without Airflow, no resource of it is left."""
    manifests = render({"airflow": {"enabled": False}})
    names = [item["metadata"]["name"] for item in manifests]
    assert [name for name in names if "airflow" in name] == []
