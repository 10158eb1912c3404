"""Single sign-on: the proxies that log people in, in front of MLflow and of the predictor."""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.support.chart_scenarios import CERT_MANAGER, EVERYTHING, OIDC, OIDC_AND_TLS
from tests.support.helm import (
    RELEASE,
    Manifest,
    Values,
    find,
    get_container,
    get_names,
    get_pods_file,
    get_variables,
    render,
)

SERVERS = ("mlflow", "predictor")


def get_options(manifests: list[Manifest], server: str) -> dict[str, str]:
    """Return the options of a server's proxy: name -> value."""
    container = get_container(find(manifests, "Deployment", f"{server}-login"))
    options = dict(item.removeprefix("--").split("=", 1) for item in container["args"])
    assert len(options) == len(container["args"])
    return options


def test_without_an_issuer_there_is_no_proxy() -> None:
    """Nothing of the login is installed, and no image of it is needed."""
    manifests = render()
    assert not [item for item in manifests if "-login" in item["metadata"]["name"]]
    assert "oauth2-proxy" not in json.dumps(manifests)


@pytest.mark.parametrize("server", SERVERS)
def test_people_log_in_at_the_issuer(server: str) -> None:
    """The proxy knows the client, protects the login, and passes the ID token on."""
    manifests = render(OIDC_AND_TLS)
    options = get_options(manifests, server)
    assert options["oidc-issuer-url"] == "https://login.school.org:8443/realms/school"
    assert (options["client-id"], options["scope"]) == ("mlops", "openid groups")
    assert options["code-challenge-method"] == "S256"
    assert options["insecure-oidc-skip-nonce"] == "false"
    assert options["pass-authorization-header"] == "true"
    port = {"mlflow": "5000", "predictor": "80"}[server]
    assert options["upstream"] == f"https://student-mlops-{server}-internal:{port}"
    spec = find(manifests, "Deployment", f"{server}-login")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert get_variables(container) == {"SSL_CERT_FILE": "/etc/student-mlops-ca/ca.crt"}
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "secrets")
    sources = [source["secret"] for source in volume["projected"]["sources"]]
    assert sources == [{"name": "cookies"}, {"name": "client"}]
    (folder,) = (one["mountPath"] for one in container["volumeMounts"] if one["name"] == "secrets")
    assert options["client-secret-file"] == f"{folder}/OIDC_CLIENT_SECRET"
    assert options["cookie-secret-file"] == f"{folder}/OAUTH2_PROXY_COOKIE_SECRET"


@pytest.mark.parametrize("server", SERVERS)
def test_logging_out_ends_the_session_at_the_issuer(server: str) -> None:
    """The proxy names the session by its ID token, which the cookie must therefore keep."""
    options = get_options(render(OIDC_AND_TLS), server)
    url = "https://login.school.org:8443/realms/school/end?id_token_hint={id_token}"
    assert options["backend-logout-url"] == url
    assert "session-cookie-minimal" not in options
    assert "backend-logout-url" not in get_options(render(OIDC), server)


@pytest.mark.parametrize("server", SERVERS)
def test_cookies_of_an_https_address_cannot_be_set_by_other_hosts(server: str) -> None:
    """They are sent by HTTPS only, and the login returns to the public address."""
    options = get_options(render(OIDC_AND_TLS), server)
    host = {"mlflow": "mlflow.school.org", "predictor": "predict.school.org"}[server]
    assert options["redirect-url"] == f"https://{host}/oauth2/callback"
    assert (options["cookie-name"], options["cookie-secure"]) == ("__Host-student-mlops", "true")
    assert options["cookie-samesite"] == "lax"


@pytest.mark.parametrize(
    ("values", "is_https"),
    [({}, "false"), ({"tls": OIDC_AND_TLS["tls"]}, "true")],
    ids=["plain", "tls"],
)
def test_without_a_public_address(values: Values, is_https: str) -> None:
    """The login returns to the address that the browser uses, such as that of a port-forward."""
    options = get_options(render(OIDC | values), "predictor")
    assert "redirect-url" not in options
    assert options["cookie-secure"] == is_https
    assert options["cookie-name"].startswith("__Host-") is (is_https == "true")
    assert ("https-address" in options) is (is_https == "true")


def is_open(options: dict[str, str], path: str) -> bool:
    """Whether the proxy passes a request on without a login, by its option `skip-auth-route`."""
    pattern = options["skip-auth-route"]
    negated = pattern.startswith("!=")
    return bool(re.search(pattern.removeprefix("!="), path)) is not negated


@pytest.mark.parametrize(
    ("server", "path", "expected"),
    [
        ("predictor", "/", False),
        ("predictor", "/docs", False),
        ("predictor", "/reports/drift", False),
        ("predictor", "/predict", True),
        ("predictor", "/predict/csv", True),
        ("predictor", "/v2/models/m/infer", True),
        ("predictor", "/ping", True),
        ("predictor", "/readyz", True),
        ("mlflow", "/", False),
        ("mlflow", "/ajax-api/2.0/mlflow/runs/search", False),
        ("mlflow", "/get-artifact", False),
        ("mlflow", "/api/2.0/mlflow/runs/search", True),
        ("mlflow", "/health", True),
        ("mlflow", "/healthy", False),
    ],
)
def test_programs_need_no_login_at_the_proxy(server: str, path: str, expected: bool) -> None:
    """Requests of programs pass with their own key or login, which the server checks."""
    options = get_options(render(OIDC), server)
    assert is_open(options, path) is expected
    assert options["skip-auth-strip-headers"] == "false"


def test_requests_of_the_page_are_not_redirected() -> None:
    """A request of MLflow's page without a session gets a 401; a browser gets the login."""
    pattern = get_options(render(OIDC), "mlflow")["api-route"]
    for path in ("/ajax-api/2.0/mlflow/runs/search", "/graphql", "/get-artifact"):
        assert re.search(pattern, path)
    assert not re.search(pattern, "/")


def test_probes_hide_no_route_of_the_server() -> None:
    """The predictor has a route /ping of its own, which is also the proxy's default."""
    manifests = render(OIDC_AND_TLS)
    container = get_container(find(manifests, "Deployment", "predictor-login"))
    options = get_options(manifests, "predictor")
    probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    paths = {probe["httpGet"]["path"] for probe in probes}
    assert paths == {options["ping-path"], options["ready-path"]}
    assert all(path.startswith("/oauth2/") for path in paths)
    assert {probe["httpGet"]["scheme"] for probe in probes} == {"HTTPS"}


PUBLISHED: dict[str, tuple[Values, str | None]] = {
    "defaults": ({}, None),
    "node ports": ({}, "values-kind.yaml"),
    "load balancers": (
        {server: {"service": {"type": "LoadBalancer"}} for server in SERVERS},
        None,
    ),
    "ingresses": (
        {key: OIDC_AND_TLS[key] for key in ("tls", "mlflow", "predictor", "networkPolicy")},
        None,
    ),
    "routes": (
        {key: EVERYTHING[key] for key in ("mlflow", "networkPolicy")},
        None,
    ),
}
"""How people reach the two from outside the cluster: values, and the file that they override."""


def list_addresses(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    """Return what has an address inside or outside the cluster, without the pods behind it."""
    return {
        (item["kind"], item["metadata"]["name"]): {**item["spec"], "selector": None}
        for item in manifests
        if item["kind"] in ("Service", "Ingress", "HTTPRoute")
    }


@pytest.mark.parametrize("published", PUBLISHED)
def test_one_upgrade_switches_it_on_or_off(published: str) -> None:
    """All addresses stay, because a node port cannot move to another Service in one upgrade."""
    values, file = PUBLISHED[published]
    off = list_addresses(render(values, file=file))
    assert list_addresses(render(OIDC | values, file=file)) == off


def test_each_node_port_has_one_service() -> None:
    """MLflow's and the predictor's belong to the Services that lead to the login."""
    node_ports = [
        (port["nodePort"], item["metadata"]["name"].removeprefix(f"{RELEASE}-"))
        for item in render(OIDC, file="values-kind.yaml")
        if item["kind"] == "Service"
        for port in item["spec"]["ports"]
        if "nodePort" in port
    ]
    assert sorted(node_ports) == [
        (30080, "airflow-api-server"),
        (30500, "mlflow"),
        (30800, "predictor"),
        (30900, "minio"),
        (30901, "minio"),
    ]


def list_components(manifests: list[Manifest], service: str) -> list[str]:
    """Return the components whose pods a Service leads to, by the ports that they have."""
    spec = find(manifests, "Service", service)["spec"]
    (port,) = spec["ports"]
    return [
        item["metadata"]["labels"]["app.kubernetes.io/component"]
        for item in manifests
        if item["kind"] == "Deployment"
        and item["spec"]["template"]["metadata"]["labels"].items() >= spec["selector"].items()
        and port["targetPort"] in {each["name"] for each in get_container(item)["ports"]}
    ]


@pytest.mark.parametrize("server", SERVERS)
def test_people_reach_the_login_and_pods_the_server(server: str) -> None:
    """Without single sign-on both reach the server."""
    for values, public in ((OIDC, f"{server}-login"), ({}, server)):
        manifests = render(values)
        assert list_components(manifests, server) == [public]
        assert list_components(manifests, f"{server}-internal") == [server]


def test_the_platforms_own_pods_bypass_the_login() -> None:
    """Their addresses do not change, so that a stage that runs during the upgrade succeeds."""
    on, off = (find(render(each), "ConfigMap", "settings")["data"] for each in (OIDC, {}))
    for name in ("MLOPS_MLFLOW__TRACKING_URI", "MLOPS_PREDICTOR__URL"):
        assert on[name] == off[name]
    assert on["MLOPS_MLFLOW__TRACKING_URI"] == f"http://{RELEASE}-mlflow-internal:5000"
    (test,) = find(render(OIDC), "Pod", "test-predictor")["spec"]["containers"]
    assert get_variables(test)["PREDICTOR"] == f"http://{RELEASE}-predictor-internal:80"


def test_the_certificate_of_the_login() -> None:
    """It has the names of the Services that lead to the proxies, and no others."""
    names = find(render(OIDC | CERT_MANAGER), "Certificate", "login-tls")["spec"]["dnsNames"]
    services = {name for name in names if "." not in name}
    assert services == {"localhost", *(f"{RELEASE}-{server}" for server in SERVERS)}


def test_mlflow_responds_to_the_login() -> None:
    """MLflow refuses unknown host names, and the proxy passes on the one that it was called by."""
    manifests = render(OIDC)
    hosts = get_variables(get_container(find(manifests, "Deployment", "mlflow")))
    names = hosts["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {f"{RELEASE}-mlflow:*", f"{RELEASE}-mlflow-internal:*"} <= set(names)


def test_the_key_of_the_cookies() -> None:
    """The chart generates 32 random bytes, which encrypt with AES-256."""
    secret = find(render(OIDC), "Secret", "login")["data"]["OAUTH2_PROXY_COOKIE_SECRET"]
    assert len(base64.urlsafe_b64decode(base64.b64decode(secret))) == 32
    assert "student-mlops-login" not in get_names(render(OIDC_AND_TLS), "Secret")


@pytest.mark.parametrize("server", SERVERS)
def test_a_drained_node_leaves_a_pod(server: str) -> None:
    """There are two pods, of which at most one may be missing."""
    manifests = render(OIDC)
    assert find(manifests, "Deployment", f"{server}-login")["spec"]["replicas"] == 2
    budget = find(manifests, "PodDisruptionBudget", f"{server}-login")["spec"]
    labels = find(manifests, "Deployment", f"{server}-login")["spec"]["template"]["metadata"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == labels["labels"]


def test_only_installed_servers_have_a_login() -> None:
    """Without MLflow and the predictor there is nothing to log into."""
    values: Values = {
        **OIDC,
        "predictor": {"enabled": False},
        "mlflow": {"enabled": False, "external": {"url": "https://mlflow.school.org"}},
        "networkPolicy": {"external": {"mlflow": [{"ipBlock": {"cidr": "192.0.2.30/32"}}]}},
    }
    assert not [name for name in get_names(render(values), "Deployment") if "-login" in name]


def test_the_predictor_checks_tokens_and_stages_have_a_key() -> None:
    """With an issuer, every request needs a login: the stages that call the predictor get a key."""
    manifests = render(OIDC_AND_TLS)
    variables = get_variables(get_container(find(manifests, "Deployment", "predictor")))
    prefix = "MLOPS_PREDICTOR__OIDC__"
    assert variables[f"{prefix}ISSUER"] == "https://login.school.org:8443/realms/school"
    assert variables[f"{prefix}CLIENT_ID"] == "mlops"
    assert variables[f"{prefix}ROLES_CLAIM"] == "groups"
    roles = {"viewer": ["staff", "teachers"], "tutor": []}
    assert json.loads(variables[f"{prefix}ROLES"]).items() >= roles.items()
    find(manifests, "Secret", "predictor-key")
    assert get_pods_file(manifests)["access"]["predictor"]["secrets"] == [
        "student-mlops-predictor-key"
    ]
    assert not [name for name in get_names(render(), "Secret") if name.endswith("-predictor-key")]
