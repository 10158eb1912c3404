"""Tests of the chart, as helm renders it."""

from __future__ import annotations

import pytest

from tests.support.helm import find_helm


@pytest.fixture(scope="session", autouse=True)
def helm() -> str:
    """The path of helm. Without helm, all tests in this folder are skipped."""
    path = find_helm()
    if path is None:
        pytest.skip("helm is not installed")
    return path
