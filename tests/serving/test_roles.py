"""The predictor's table of docs/reference/roles.md, for a predictor with a port of its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.columns import MODEL_NAME
from pipeline.commands.local_servers import find_free_port
from pipeline.storage.layout import MODEL_CARD_HTML, report_file
from serving.permissions import ROUTES
from tests.support.forest import make_bundle
from tests.support.issuer import Issuer, run_issuer
from tests.support.predictor import (
    Predictor,
    open_disk_lake,
    run_predictor,
    wait_for,
    wait_until_ready,
)
from tests.support.role_requests.predictor import BY_BROWSER, ROWS, find_route
from tests.support.roles_page import NO_LOGIN, NO_ROLE, read_roles


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """The issuer of the people's tokens."""
    with run_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def predictor(issuer: Issuer, folder: Path) -> Iterator[Predictor]:
    """A predictor that accepts the issuer's tokens, and shows the card of its model."""
    run_id = make_bundle().manifest.lineage.pipeline_run_id
    open_disk_lake(folder).write(report_file(run_id, MODEL_CARD_HTML), b"the card")
    port = str(find_free_port())
    with run_predictor(folder, oidc__issuer=issuer.url, metrics_port=port) as running:
        wait_until_ready(running)
        wait_for(lambda: "fetched 1 keys of the issuer" in running.read_log())
        yield running


@pytest.mark.parametrize("row", ROWS)
def test_the_results_of_the_page(predictor: Predictor, issuer: Issuer, row: str) -> None:
    """Each request has the result that the page shows for each person."""
    expected = dict(read_roles()["Predictor"][row])
    if row in BY_BROWSER:
        del expected[NO_LOGIN]
    for request in ROWS[row]:
        call = request.fill(model=MODEL_NAME)
        found = {}
        for person in expected:
            options = call.get_options()
            if person != NO_LOGIN:
                token = issuer.sign(*() if person == NO_ROLE else (person,))
                options["headers"]["Authorization"] = f"Bearer {token}"
            url = predictor.url + call.path
            response = httpx.request(call.method, url, **options, follow_redirects=True, timeout=30)
            found[person] = call.describe(response)
        assert found == expected, call


def test_each_route_is_in_the_page() -> None:
    """No route of the application is without a row."""
    assert {find_route(call.path) for calls in ROWS.values() for call in calls} == set(ROUTES)
