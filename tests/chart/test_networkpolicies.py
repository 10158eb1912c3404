"""The network policies allow the connections of a table, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from images.layers import find_reachable
from pipeline.stages import COMMAND_TASKS, STAGES
from tests.support.chart_scenarios import (
    EVERYTHING,
    EXTERNAL,
    OIDC,
    OIDC_AND_TLS,
    SCENARIOS,
    SERVING,
    TRAINING,
    WORKERS,
)
from tests.support.helm import RELEASE, ROOT, Manifest, Values, find, get_names, render
from tests.support.network import OUTSIDERS, Connection, get_connections
from tests.support.uv import find_uv

pytestmark = pytest.mark.skipif(find_uv() is None, reason="uv is not installed")

TASKS = (*STAGES, *COMMAND_TASKS)
STORES = {"minio": "9000", "mlflow": "5000"}

Table = dict[str, dict[str, str]]
"""Source -> destination -> ports."""

TABLE: Table = {
    **{
        f"stage {task.name}": STORES
        | ({"internet": "443", "elsewhere": "443"} if task.internet else {})
        | ({"predictor": "8000,9090"} if task.calls_predictor else {})
        for task in TASKS
    },
    "by-hand": {**STORES, "predictor": "8000,9090"},
    "predictor": STORES,
    "mlflow": {"minio": "9000", "postgresql": "5432"},
    "airflow-api-server": {"postgresql": "5432", "airflow-scheduler": "8793"},
    "airflow-scheduler": {
        "postgresql": "5432",
        "airflow-api-server": "8080",
        "kubernetes": "443,6443",
        "neighbour": "443,6443",  # by default the API can have any private address
    },
    "airflow-dag-processor": {"postgresql": "5432"},
    "buckets": {"minio": "9000"},
    "retention": {**STORES, "postgresql": "5432"},
    "test": {**STORES, "airflow-api-server": "8080", "predictor": "8000"},
    "minio": {},
    "postgresql": {},
}
"""The connections with the chart's defaults, without those to DNS and from outsiders."""

WITHOUT_DNS = ("minio", "postgresql")


def expand(table: Table, open_to_all: dict[str, str]) -> set[Connection]:
    """Return a table's connections, those to DNS, and those from outsiders to open ports."""
    connections = {
        (source, target, port)
        for source, targets in table.items()
        for target, port in targets.items()
    }
    connections |= {(source, "dns", "53") for source in table if source not in WITHOUT_DNS}
    return connections | {
        (source, target, port) for source in OUTSIDERS for target, port in open_to_all.items()
    }


def remove(table: Table, prefixes: Iterable[str]) -> Table:
    """Return the table without the pods whose names start with one of the prefixes."""
    removed = tuple(prefixes)
    return {
        source: {target: port for target, port in targets.items() if not target.startswith(removed)}
        for source, targets in table.items()
        if not source.startswith(removed)
    }


WORKERS_TABLE: Table = {
    **TABLE,
    **{
        f"stage {stage.name}": TABLE[f"stage {stage.name}"] | {"dask-scheduler": "8786"}
        for stage in STAGES
        if stage.tasks
    },
    "dask-scheduler": {"dask-worker": "8788"},
    "dask-worker": {"dask-scheduler": "8786", "minio": "9000"},
}
"""The connections with Dask's workers, without those between workers."""


def test_workers() -> None:
    """Only stages that use workers and the workers reach the scheduler; nobody its dashboard.

    The scheduler and the workers run any code that they receive.
    """
    found = get_connections(render(WORKERS))
    assert found == expand(WORKERS_TABLE, {"predictor": "8000"})


def test_workers_send_results_to_each_other() -> None:
    """A worker may connect to the port of another, and accepts its connection."""
    policy = find(render(WORKERS), "NetworkPolicy", "dask-worker")["spec"]
    for rules, side in ((policy["ingress"], "from"), (policy["egress"], "to")):
        peers = [rule[side] for rule in rules if rule["ports"][0]["port"] == 8788]
        ((peer,),) = peers
        assert "dask-worker" in peer["podSelector"]["matchExpressions"][0]["values"]


CHECK_TOKENS = ("mlflow", "predictor", "airflow-api-server", "minio")
LOGINS = {"mlflow-login": ("mlflow", "5000"), "predictor-login": ("predictor", "8000")}
"""Proxies that log people in, and what is behind them."""


def test_single_sign_on() -> None:
    """People reach MLflow only by its login; what handles tokens reaches the issuer."""
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}
    values = {**OIDC_AND_TLS, "networkPolicy": {"webInterfaces": [peer]}}
    without = {key: value for key, value in values.items() if key != "auth"}
    found, before = get_connections(render(values)), get_connections(render(without))
    assert before - found == {("stranger", "mlflow", "5000")}
    assert found - before == {
        *((source, "elsewhere", "8443") for source in (*CHECK_TOKENS, *LOGINS)),
        *((source, "dns", "53") for source in ("minio", *LOGINS)),
        *((source, target, port) for source, (target, port) in LOGINS.items()),
        *((source, "predictor-login", "4180") for source in OUTSIDERS),
        ("stranger", "mlflow-login", "4180"),
    }


def test_an_issuer_at_any_address() -> None:
    """Without its address, the issuer's port is open to all but the metadata service."""
    found = get_connections(render(OIDC))
    reached = {target for source, target, port in found if "443" in port.split(",")}
    assert {(source, "internet", "443") for source in (*CHECK_TOKENS, *LOGINS)} <= found
    assert reached >= {"internet", "neighbour", "guest", "stranger"}
    assert "metadata" not in reached


def test_defaults() -> None:
    """By default only the table's connections are possible, and outsiders reach the predictor."""
    assert get_connections(render()) == expand(TABLE, {"predictor": "8000"})


def keep_side(manifests: list[Manifest], side: str) -> list[Manifest]:
    """Return the manifests with the policies of one direction only."""
    other = {"Ingress": "egress", "Egress": "ingress"}[side]
    policies = [
        {
            **item,
            "spec": {key: value for key, value in item["spec"].items() if key != other}
            | {"policyTypes": [side]},
        }
        for item in manifests
        if item["kind"] == "NetworkPolicy" and side in item["spec"]["policyTypes"]
    ]
    return [item for item in manifests if item["kind"] != "NetworkPolicy"] + policies


@pytest.mark.parametrize("side", ["Ingress", "Egress"])
def test_each_direction(side: str) -> None:
    """Ingress and egress rules each implement the table; neither relies on the other."""
    found = {
        item
        for item in get_connections(keep_side(render(), side))
        if {item[0], item[1]} <= TABLE.keys()
    }
    expected = {
        (source, target, port)
        for source, targets in TABLE.items()
        for target, port in targets.items()
        if target in TABLE
    }
    if side == "Ingress":  # the predictor is open to everybody
        others = {source for source in TABLE if "predictor" not in TABLE[source]} - {"predictor"}
        expected |= {(source, "predictor", "8000") for source in others}
    assert found == expected


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_rule_is_repeated(scenario: str) -> None:
    """Each rule of a policy opens something that its other rules do not."""
    values, file = SCENARIOS[scenario]
    for policy in render(values, file=file):
        if policy["kind"] == "NetworkPolicy":
            for side in ("ingress", "egress"):
                rules = [
                    json.dumps(rule, sort_keys=True) for rule in policy["spec"].get(side) or ()
                ]
                assert len(rules) == len(set(rules)), policy["metadata"]["name"]


def test_an_unknown_component_is_isolated() -> None:
    """A pod of the release that no policy selects has no connections."""
    labels = {
        "app.kubernetes.io/name": "student-mlops",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": "new",
    }
    pod = {"kind": "Pod", "metadata": {"name": "new", "labels": labels}}
    found = get_connections([*render(), pod])
    assert {item for item in found if "new" in item[:2]} == set()


def test_nobody_reaches_the_metadata_service() -> None:
    """The cloud's metadata service, which hands out credentials, is not part of the internet."""
    assert not any(target == "metadata" for _, target, _ in get_connections(render()))


def test_tasks_that_call_the_predictor_say_so() -> None:
    """The tasks that import the predictor client have `calls_predictor` in the stage table."""
    client = Path("pipeline", "deployment", "predictor_client.py")
    packages = {"stages": STAGES, "commands": COMMAND_TASKS}
    calling = {
        task.name
        for package, tasks in packages.items()
        for task in tasks
        if client in find_reachable([f"pipeline.{package}.{task.name}"], ROOT)[0]
    }
    assert calling == {task.name for task in TASKS if task.calls_predictor}


def test_node_ports_are_open() -> None:
    """Outsiders reach a Service with a node port; everything else stays as it is."""
    open_ports = {
        "predictor": "8000",
        "airflow-api-server": "8080",
        "mlflow": "5000",
        "minio": "9000-9001",
    }
    found = get_connections(render(file="values-kind.yaml"))
    assert {item for item in found if item[0] in OUTSIDERS} == {
        (source, target, port) for source in OUTSIDERS for target, port in open_ports.items()
    }
    inside = {item[:2] for item in found if item[0] not in OUTSIDERS and item[1] != "dns"}
    assert inside == {(source, target) for source, targets in TABLE.items() for target in targets}


def test_web_interfaces_for_an_ingress_controller() -> None:
    """`networkPolicy.webInterfaces` opens the web interfaces to the given peers only."""
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}
    values = {"networkPolicy": {"webInterfaces": [peer]}}
    assert get_connections(render(values)) - get_connections(render()) == {
        ("stranger", "airflow-api-server", "8080"),
        ("stranger", "mlflow", "5000"),
        ("stranger", "minio", "9000-9001"),
    }


def test_external_services() -> None:
    """The pods that use the chart's object store reach an external one at its address and port."""
    found = get_connections(render(EXTERNAL))
    callers = {
        source
        for source, target, port in found
        if target == "elsewhere" and "8443" in port.split(",")
    }
    assert callers == {
        source for source, targets in TABLE.items() if "minio" in targets and source != "mlflow"
    }
    assert not any(target in ("minio", "mlflow", "postgresql") for _, target, _ in found)
    assert not any(target == "internet" for source, target, _ in found if source != "stage ingest")


@pytest.mark.parametrize(
    ("values", "removed", "open_to_all"),
    [(SERVING, ("airflow", "stage"), {"predictor": "8000"}), (TRAINING, ("predictor",), {})],
    ids=["serving", "training"],
)
def test_disabled_components(
    values: Values, removed: tuple[str, ...], open_to_all: dict[str, str]
) -> None:
    """Without a component the others keep their connections, and nothing stays open for it."""
    assert get_connections(render(values)) == expand(remove(TABLE, removed), open_to_all)


def test_exact_address_of_the_kubernetes_api() -> None:
    """If the values give the API's address, the scheduler reaches that address only."""
    values = {"networkPolicy": {"kubernetesApi": {"cidrs": ["10.96.0.1/32"], "ports": [443]}}}
    found = {
        (target, port)
        for source, target, port in get_connections(render(values))
        if source == "airflow-scheduler"
    }
    assert found & {("kubernetes", "443"), ("neighbour", "443")} == {("kubernetes", "443")}


def test_releases_are_isolated_from_each_other() -> None:
    """A pod of another release in the same namespace reaches no service of this one."""
    ours = [
        item
        for item in render()
        if item["kind"] == "NetworkPolicy" or "mlflow" not in item["metadata"]["name"]
    ]
    theirs = [item for item in render(release="other") if item["kind"] == "NetworkPolicy"]
    mlflow = find(
        render(release="other", values={"fullnameOverride": RELEASE}), "Deployment", "mlflow"
    )
    found = get_connections([*ours, *theirs, mlflow])
    assert {(target, port) for source, target, port in found if source == "mlflow"} == {
        ("dns", "53")
    }


def test_disabled() -> None:
    """Network policies can be switched off."""
    manifests = render({"networkPolicy": {"enabled": False}})
    assert get_names(manifests, "NetworkPolicy") == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("StatefulSet", "minio"),
        ("StatefulSet", "postgresql"),
        ("Deployment", "mlflow"),
        ("Deployment", "predictor"),
        ("Deployment", "dask-scheduler"),
        ("Deployment", "dask-worker"),
    ],
)
def test_ports_are_those_of_the_containers(kind: str, name: str) -> None:
    """The pods that a policy selects listen on every port of its ingress rules."""
    manifests = render(EVERYTHING)
    policy = find(manifests, "NetworkPolicy", name)
    containers = find(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
    open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    ports = [port for container in containers for port in container.get("ports", ())]
    assert open_ports <= {port["containerPort"] for port in ports}
