"""The chart as helm renders it."""

from __future__ import annotations

import pytest

from tests.support import helm as rendering


@pytest.fixture(scope="session", autouse=True)
def helm() -> str:
    """helm's path; without one there is nothing to test here."""
    found = rendering.find_helm()
    if found is None:
        pytest.skip("helm is neither on PATH nor in local/tools; `make tools` installs it")
    return found
