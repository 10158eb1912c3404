"""The roles of people in MinIO, as policies."""

from __future__ import annotations

import pytest

from pipeline.errors import SettingsError
from pipeline.storage.minio_roles import BUILT_IN, make_role_policies


def test_the_policies() -> None:
    """A value that several roles have gives all of them, and one without rights has no policy."""
    policies = make_role_policies({"viewer": ["staff"], "operator": ["staff", "ops"]}, "school")
    assert policies.keys() == {*BUILT_IN, "staff", "ops"}
    assert policies["staff"] == policies["ops"]
    assert make_role_policies({"tutor": ["tutor"]}, "").keys() == set(BUILT_IN)
    assert make_role_policies({"viewer": []}, "") == {}
    assert make_role_policies({}, "") == {}


@pytest.mark.parametrize("value", ["a,b", "platform-train"])
def test_values_that_cannot_be_policies(value: str) -> None:
    """A comma separates policies, and the identities of stages keep theirs."""
    with pytest.raises(SettingsError, match=f"the claim's value '{value}' cannot be the name"):
        make_role_policies({"viewer": [value]}, "")
