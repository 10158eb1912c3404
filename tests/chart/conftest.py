"""The chart as helm renders it."""

from __future__ import annotations

import pytest

from tests.support import helm as rendering


@pytest.fixture(scope="session", autouse=True)
def helm() -> str:
    """helm's path; without one there is nothing to test here."""
    found = rendering.find_helm()
    if found is None:
        pytest.skip("helm is not installed")
    return found
