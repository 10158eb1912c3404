"""People log in at an identity provider, and may do what their roles allow."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from k8s import access, images, kind_images
from k8s import cluster as kind
from k8s.__main__ import get_from_source_arguments
from k8s.airflow import AirflowClient, DagRun
from k8s.release import RELEASE
from pipeline.tracking.promotion_log import read_records
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.cluster import wait_for
from tests.cluster.keycloak.person import FORM, Person
from tests.cluster.keycloak.realm import CLIENT, PEOPLE
from tests.cluster.keycloak.server import ISSUER, NAMESPACE, Keycloak, run_keycloak
from tests.cluster.platform import Platform, make_term
from tests.cluster.rotations import find_rotation, run_rotation
from tests.cluster.sign_on_requests import REQUESTS, Caller, make_caller
from tests.support import platform_pages
from tests.support.browser import chromium
from tests.support.roles_page import NO_LOGIN, NO_ROLE, read_roles

pytestmark = pytest.mark.full

SECRET = "sign-on"
COOKIE = "student-mlops"
"""Begin of the names of the cookies of the login."""
PROXIED = ("mlflow", "predictor")
"""The parts of the platform that people reach through the login."""
REASON = "The new term needs it."


def make_values(keycloak: Keycloak) -> dict[str, Any]:
    """The chart's values for single sign-on, and for the approval of candidates by a person."""
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    oidc = {
        "issuer": ISSUER,
        "clientId": CLIENT,
        "existingSecret": SECRET,
        "logoutUrl": f"{ISSUER}/protocol/openid-connect/logout",
        "peers": [{"namespaceSelector": namespace}],
    }
    return {
        "auth": {"oidc": oidc, "proxy": {"replicas": 1}},
        "tls": {"caBundle": keycloak.authority.read_text()},
        "deployment": {"approval": {"enabled": True}},
    }


def build_proxy() -> str:
    """Build oauth2-proxy's image, load it into the nodes, and return its tag."""
    artifacts = images.list_artifacts()
    (artifact,) = (item for item in artifacts if item.name in images.OPTIONAL)
    overrides = get_from_source_arguments(artifacts) if kind.is_built_from_source() else {}
    tag = images.build_image(images.plan(artifact, overrides.get(artifact.name, {})))
    kind_images.load([f"{artifact.image}:{tag}"], kind.list_nodes())
    return tag


def upgrade(platform: Platform, *options: str) -> None:
    """Upgrade the release once, and wait until every part has the new values."""
    platform.cluster.upgrade(*options)
    platform.wait_for_new_pods()


def leads_to_the_login(part: str) -> bool:
    """Whether the node port of a part sends a browser without a session to the issuer."""
    response = httpx.get(access.get_urls()[part], headers={"Accept": "text/html"}, timeout=30)
    return str(response.headers.get("location")).startswith(ISSUER)


@pytest.fixture(scope="module")
def keycloak(
    platform: Platform, first: DagRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keycloak]:
    """The identity provider of the platform.

    One upgrade switches single sign-on on, and one switches it off again. The platform has its node
    ports all the time.
    """
    cluster, folder = platform.cluster, tmp_path_factory.mktemp("keycloak")
    with run_keycloak(cluster.context, folder) as keycloak:
        cluster.create_secret(SECRET, {"OIDC_CLIENT_SECRET": keycloak.realm.client_secret})
        on, off = folder / "on.json", folder / "off.json"
        on.write_text(json.dumps(make_values(keycloak)))
        off.write_text(cluster.helm("get", "values", RELEASE, "--output", "json"))
        proxy = f"images.oauth2-proxy.tag={build_proxy()}"
        try:
            upgrade(platform, "--reset-then-reuse-values", f"--values={on}", "--set-string", proxy)
            yield keycloak
        finally:
            upgrade(platform, "--reset-values", f"--values={off}")
            wait_for("server without the login", lambda: not any(map(leads_to_the_login, PROXIED)))
            cluster.kubectl("delete", "secret", SECRET)
            cluster.helm("test", RELEASE)


@pytest.mark.parametrize("part", PROXIED)
def test_the_node_port_leads_to_the_login(keycloak: Keycloak, part: str) -> None:
    """It is the node port that led to the server before the upgrade."""
    assert leads_to_the_login(part)


def test_the_platforms_own_pods_bypass_the_login(platform: Platform, keycloak: Keycloak) -> None:
    """`helm test` passes: its pods reach MLflow and the predictor by their internal Services."""
    assert "Succeeded" in platform.cluster.helm("test", RELEASE)


@pytest.fixture(scope="module")
def people(keycloak: Keycloak) -> Iterator[dict[str, Person]]:
    """A person per role, and one without."""
    with contextlib.ExitStack() as stack:
        yield {role: stack.enter_context(Person(keycloak, role)) for role in PEOPLE}


@pytest.fixture(scope="module")
def callers(platform: Platform, people: dict[str, Person]) -> Iterator[dict[str, Caller]]:
    """The same people, logged into everything that accepts them, and nobody."""
    persons = {NO_LOGIN: None, **people}
    callers = {name: make_caller(platform, person) for name, person in persons.items()}
    yield callers
    for caller in callers.values():
        caller.close()


@pytest.mark.parametrize("part", REQUESTS)
def test_who_may_do_what(platform: Platform, callers: dict[str, Caller], part: str) -> None:
    """Each request has the result for each person that docs/reference/roles.md shows."""
    found = {
        request: {name: send(platform, caller) for name, caller in callers.items()}
        for request, send in REQUESTS[part].items()
    }
    assert found == read_roles()[part]


def test_mlflow_by_a_browser(platform: Platform, people: dict[str, Person]) -> None:
    """Its page appears after the login, and its requests have the person's rights."""
    url = access.get_urls()["mlflow"]
    search = f"{url}/ajax-api/2.0/mlflow/experiments/search"
    assert httpx.post(search, json={"max_results": 10}).status_code == 401
    for role, status in (("viewer", 200), (NO_ROLE, 403)):
        person = people[role]
        person.open(url)
        assert person.browser.post(search, json={"max_results": 10}).status_code == status, role


@pytest.mark.parametrize(("role", "shown"), [("tutor", "#probability"), ("viewer", "#refusal")])
def test_the_predictors_page_in_a_browser(
    platform: Platform, keycloak: Keycloak, people: dict[str, Person], role: str, shown: str
) -> None:
    """After the login a tutor sees a prediction, and a viewer why there is none."""
    person = people[role]
    with chromium(*keycloak.browser_flags) as browser:
        page = platform_pages.new_page(browser)
        page.goto(access.get_urls()["predictor"])
        page.fill("#username", person.name)
        page.fill("#password", keycloak.realm.passwords[role])
        page.click("#kc-login")
        expect(page.locator(shown)).to_contain_text("%" if role == "tutor" else "admin, operator")
        expect(page.locator("#logout")).to_contain_text(f"{role.title()} Example")


def test_logging_out_ends_the_session_at_the_issuer(people: dict[str, Person]) -> None:
    """After `/oauth2/sign_out` the same browser needs the password again."""
    url = access.get_urls()["predictor"]
    with people["tutor"].start_browser() as person:

        def needs_password() -> bool:
            return bool(FORM.search(person.browser.get(url, headers={"Accept": "text/html"}).text))

        assert needs_password()
        person.open(url)
        assert not needs_password()
        person.browser.get(f"{url}/oauth2/sign_out", headers={"Accept": "text/html"})
        assert needs_password()


def test_a_copied_session_ends_after_the_log_out(people: dict[str, Person]) -> None:
    """The issuer refuses to renew a copy of the cookies that was made before the log-out."""
    url = access.get_urls()["predictor"]
    page = {"Accept": "text/html"}
    with people["tutor"].start_browser() as person:
        person.open(url)
        cookies = [item for item in person.browser.cookies.jar if COOKIE in item.name]
        copy = "; ".join(f"{item.name}={item.value}" for item in cookies)

        def is_logged_in() -> bool:
            """Whether the page opens; otherwise the proxy sends the browser to the issuer."""
            return httpx.get(url, headers=page | {"Cookie": copy}, timeout=30).status_code == 200

        assert is_logged_in()
        person.browser.get(f"{url}/oauth2/sign_out", headers=page)
        wait_for("end of the copied session", lambda: not is_logged_in(), timeout_seconds=150)


def wait_for_heartbeat(airflow: AirflowClient) -> None:
    """Wait until the scheduler has handled all that ended before this call.

    A task that asks for an approval ends its process. Airflow 3.3 loses an answer that arrives
    before the scheduler has handled this end, and asks again. That takes about a second.
    """
    first = airflow.get_heartbeat()
    wait_for("heartbeat of the scheduler", lambda: airflow.get_heartbeat() > first)


def test_a_candidate_waits_for_the_approver(
    platform: Platform, keycloak: Keycloak, people: dict[str, Person], callers: dict[str, Caller]
) -> None:
    """It is promoted once the approver agrees; the record has the approver's name and reason."""
    airflow, registry = platform.airflow, platform.registry
    before = registry.get_by_alias(PRODUCTION)
    source = platform.put("approval.csv", make_term(31, "age", 30, 36))
    training = airflow.trigger("training", make_run_id("approval"), source=source)
    assert wait_for_run(airflow, "training", training.run_id).state == "success"

    def find_waiting() -> DagRun | None:
        for run in airflow.list_runs("deployment"):
            if run.run_after > training.run_after:
                states = airflow.get_states("deployment", run.run_id)
                assert not run.has_ended, states
                state = states["approve"]
                return run if state in ("deferred", "awaiting_input") else None
        return None

    waiting = wait_for("run that waits for an approval", find_waiting)
    assert registry.get_by_alias(PRODUCTION) == before
    wait_for_heartbeat(airflow)
    detail = (
        f"{access.get_urls()['airflow']}/api/v2/dags/deployment/dagRuns/{waiting.run_id}"
        "/taskInstances/approve/-1/hitlDetails"
    )
    answer = {"chosen_options": ["Approve"], "params_input": {"reason": REASON}}
    for role, status in (("operator", 403), ("approver", 200), ("admin", 409)):
        response = callers[role].airflow.patch(detail, json=answer)
        assert response.status_code == status, response.text
    ended = wait_for_run(airflow, "deployment", waiting.run_id)
    assert ended.state == "success", airflow.get_states("deployment", waiting.run_id)
    after = registry.get_by_alias(PRODUCTION)
    assert after is not None and after != before
    approval = next(
        record.move.approval
        for record in reversed(read_records(platform.lake))
        if record.move.to == after.number and record.move.approval
    )
    assert (approval.by, approval.reason) == (people["approver"].name, REASON)


def test_a_rotation_of_the_cookies_key_ends_all_sessions(
    platform: Platform, people: dict[str, Person]
) -> None:
    """The guide's command logs everybody out, and everybody can log in again."""
    url = access.get_urls()["mlflow"]
    search = f"{url}/ajax-api/2.0/mlflow/experiments/search"
    with people["viewer"].start_browser() as person:

        def get_status() -> int:
            return person.browser.post(search, json={"max_results": 10}).status_code

        person.open(url)
        assert get_status() == 200
        run_rotation(platform.cluster, find_rotation("login"))
        wait_for("end of the session", lambda: get_status() == 401)
        person.open(url)
        assert get_status() == 200
