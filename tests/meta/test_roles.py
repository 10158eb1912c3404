"""docs/reference/roles.md has a row per request that the tests send on a cluster."""

from __future__ import annotations

import yaml

from tests.cluster.keycloak.realm import PEOPLE, ROLES
from tests.cluster.sign_on_requests import REQUESTS
from tests.support.helm import CHART
from tests.support.roles_page import NO_LOGIN, read_roles


def test_the_page_has_the_requests_of_the_tests() -> None:
    """No row is without a test, and each has a cell per person."""
    page = read_roles()
    assert {part: list(rows) for part, rows in page.items()} == {
        part: list(requests) for part, requests in REQUESTS.items()
    }
    for rows in page.values():
        for cells in rows.values():
            assert tuple(cells) == (NO_LOGIN, *PEOPLE)
            assert set(cells.values()) <= {"yes", "401", "403", "404"}


def test_the_roles_are_those_of_the_chart() -> None:
    """The values have a claim for each role of the page."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert tuple(values["auth"]["oidc"]["roles"]) == ROLES
