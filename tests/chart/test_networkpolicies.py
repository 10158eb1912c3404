"""Who may talk to whom, as a table, and that the policies allow this and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pipeline.stages import STAGES
from tests.support.chart_scenarios import EVERYTHING, EXTERNAL, SERVING, TRAINING
from tests.support.helm import RELEASE, ROOT, Manifest, Values, find, names, render
from tests.support.network import ADDRESSES, Connection, connections, find_uv

pytestmark = pytest.mark.skipif(
    find_uv() is None, reason="uv, which runs the analyzer, is neither on PATH nor in local/tools"
)

STORES = {"minio": "9000", "mlflow": "5000"}
AIRFLOW = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor")
ASKS_PREDICTOR = [stage.name for stage in STAGES if stage.calls_predictor]

TABLE: dict[str, dict[str, str]] = {
    **{f"stage {stage.name}": STORES for stage in STAGES},
    **{f"stage {name}": {**STORES, "predictor": "8000"} for name in ASKS_PREDICTOR},
    **{
        f"stage {stage.name}": {**STORES, "internet": "443", "elsewhere": "443"}
        for stage in STAGES
        if stage.internet
    },
    "predictor": STORES,
    "mlflow": {"minio": "9000", "postgresql": "5432"},
    "airflow-api-server": {"postgresql": "5432", "airflow-scheduler": "8793"},
    "airflow-scheduler": {
        "postgresql": "5432",
        "airflow-api-server": "8080",
        "kubernetes": "443,6443",
        "neighbour": "443,6443",  # by default the API may be at any private address
    },
    "airflow-dag-processor": {"postgresql": "5432"},
    "buckets": {"minio": "9000"},
    "test": {**STORES, "airflow-api-server": "8080", "predictor": "8000"},
    "minio": {},
    "postgresql": {},
}
"""From whom -> to whom -> on which ports, with the chart's defaults, besides names and the predictor's callers."""

SILENT = ("minio", "postgresql")
"""Who does not even resolve names."""

OUTSIDE = ("stranger", "guest", "dns", *ADDRESSES)
"""Who is not of the release."""


def expected(table: dict[str, dict[str, str]], open_to_all: dict[str, str]) -> set[Connection]:
    """The table's connections, names for all but the silent ones, and ports that are open to those outside."""
    rows = {
        (source, target, port)
        for source, targets in table.items()
        for target, port in targets.items()
    }
    rows |= {(source, "dns", "53") for source in table if source not in SILENT}
    return rows | {
        (source, target, port) for source in OUTSIDE for target, port in open_to_all.items()
    }


def without(table: dict[str, dict[str, str]], gone: Iterable[str]) -> dict[str, dict[str, str]]:
    """The table of a platform of which some parts are not there."""
    left = {
        source: targets for source, targets in table.items() if not source.startswith(tuple(gone))
    }
    return {
        source: {
            target: port for target, port in targets.items() if not target.startswith(tuple(gone))
        }
        for source, targets in left.items()
    }


def test_default() -> None:
    """By default exactly the table's connections are possible; from outside only the predictor is reached."""
    assert connections(render()) == expected(TABLE, {"predictor": "8000"})


def one_sided(manifests: list[Manifest], side: str) -> list[Manifest]:
    """The manifests with the rules of one direction alone; the other is left free."""
    other = {"Ingress": "egress", "Egress": "ingress"}[side]
    policies = [
        item
        for item in manifests
        if item["kind"] == "NetworkPolicy" and side in item["spec"]["policyTypes"]
    ]
    specs = [
        {key: value for key, value in item["spec"].items() if key != other} for item in policies
    ]
    halves = [
        {**item, "spec": {**spec, "policyTypes": [side]}}
        for item, spec in zip(policies, specs, strict=True)
    ]
    return [item for item in manifests if item["kind"] != "NetworkPolicy"] + halves


@pytest.mark.parametrize("side", ["Ingress", "Egress"])
def test_each_side_by_itself(side: str) -> None:
    """What callers may call, and what callees take, are the table each: neither side relies on the other to refuse."""
    found = {
        item
        for item in connections(one_sided(render(), side))
        if {item[0], item[1]} <= TABLE.keys()
    }
    rows = {
        (source, target, port)
        for source, targets in TABLE.items()
        for target, port in targets.items()
        if target in TABLE
    }
    if side == "Ingress":  # the predictor is open to everybody
        rows |= {(source, "predictor", "8000") for source in TABLE if source != "predictor"}
    assert found == rows


def test_an_unknown_part_is_shut_off() -> None:
    """A pod of the release that no policy speaks of can do nothing but what everybody may."""
    labels = {
        "app.kubernetes.io/name": "student-mlops",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": "new",
    }
    found = connections([*render(), {"kind": "Pod", "metadata": {"name": "new", "labels": labels}}])
    assert {(source, target) for source, target, _ in found if "new" in (source, target)} == set()


def test_internet_is_ingests_alone() -> None:
    """The stage that the stage table lets into the internet, and no other pod, can reach it; the nodes' metadata nobody."""
    allowed = {stage.name for stage in STAGES if stage.internet}
    found = connections(render())
    assert {source for source, target, _ in found if target == "internet"} == {
        f"stage {name}" for name in allowed
    }
    assert not any(target == "metadata" for _, target, _ in found)


def test_stages_that_ask_the_predictor_can() -> None:
    """The stages whose modules ask the live predictor are those that the policies let."""
    asking = {
        stage.name
        for stage in STAGES
        if "pipeline.deployment.predictor_client import"
        in (ROOT / "pipeline" / "stages" / f"{stage.name}.py").read_text()
    }
    assert asking == set(ASKS_PREDICTOR)


def test_ports_on_nodes_are_open() -> None:
    """A Service on the nodes' ports is reached from outside; its neighbours are as closed as before."""
    pages = {
        "predictor": "8000",
        "airflow-api-server": "8080",
        "mlflow": "5000",
        "minio": "9000-9001",
    }
    inside = {(source, target) for source, targets in TABLE.items() for target in targets}
    found = connections(render(file="values-kind.yaml"))
    assert {item for item in found if item[0] in OUTSIDE} == {
        (source, target, port) for source in OUTSIDE for target, port in pages.items()
    }
    assert {
        (source, target) for source, target, _ in found if source not in OUTSIDE and target != "dns"
    } == inside


def test_pages_for_an_ingress_controller() -> None:
    """`networkPolicy.pages` opens the web pages to the peers it names, and to those alone."""
    peers = {
        "networkPolicy": {
            "pages": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}
            ]
        }
    }
    new = connections(render(peers)) - connections(render())
    assert new == {
        ("stranger", "airflow-api-server", "8080"),
        ("stranger", "mlflow", "5000"),
        ("stranger", "minio", "9000-9001"),
    }


def test_replaced_services() -> None:
    """Services outside of the cluster are reached where the values say that they lie, at their own ports, by the same pods."""
    found = connections(render(EXTERNAL))
    state = {
        source
        for source, target, port in found
        if target == "elsewhere" and "8443" in port.split(",")
    }
    assert state == {
        source for source, targets in TABLE.items() if "minio" in targets and source != "mlflow"
    }
    assert not any(target in ("minio", "mlflow", "postgresql") for _, target, _ in found)
    assert not any(target == "internet" for source, target, _ in found if source != "stage ingest")


@pytest.mark.parametrize(
    ("values", "gone", "open_to_all"),
    [(SERVING, ("airflow", "stage"), {"predictor": "8000"}), (TRAINING, ("predictor",), {})],
    ids=["serving", "training"],
)
def test_parts_switched_off(
    values: Values, gone: tuple[str, ...], open_to_all: dict[str, str]
) -> None:
    """Without a part the rest keeps what it had, and nothing that was for the part stays open."""
    assert connections(render(values)) == expected(without(TABLE, gone), open_to_all)


def test_tighter_kubernetes() -> None:
    """Where the API's address is given the scheduler reaches that alone."""
    tight = {"networkPolicy": {"kubernetesApi": {"cidrs": ["10.96.0.1/32"], "ports": [443]}}}
    found = {
        (target, port)
        for source, target, port in connections(render(tight))
        if source == "airflow-scheduler"
    }
    assert found & {("kubernetes", "443"), ("neighbour", "443")} == {("kubernetes", "443")}


def test_releases_are_strangers() -> None:
    """A pod of another release in the same namespace reaches no store or database of this one."""
    ours = [
        item
        for item in render()
        if item["kind"] == "NetworkPolicy" or "mlflow" not in item["metadata"]["name"]
    ]
    theirs = [item for item in render(release="other") if item["kind"] == "NetworkPolicy"]
    mlflow = find(
        render(release="other", values={"fullnameOverride": RELEASE}), "Deployment", "mlflow"
    )
    found = connections([*ours, *theirs, mlflow])
    assert {(target, port) for source, target, port in found if source == "mlflow"} == {
        ("dns", "53")
    }


def test_off() -> None:
    """Policies can be switched off as a whole."""
    assert names(render({"networkPolicy": {"enabled": False}}), "NetworkPolicy") == []


def test_ports_are_those_of_the_containers() -> None:
    """Every port of an ingress rule is one that a container of the pods that the policy selects listens on."""
    manifests = render(EVERYTHING)
    for kind, name in (
        ("StatefulSet", "minio"),
        ("StatefulSet", "postgresql"),
        ("Deployment", "mlflow"),
        ("Deployment", "predictor"),
    ):
        policy = find(manifests, "NetworkPolicy", name)
        (served,) = find(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
        listens = {port["containerPort"] for port in served["ports"]}
        assert {
            port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]
        } <= listens
