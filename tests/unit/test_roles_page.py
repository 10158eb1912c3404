"""MinIO's table of docs/reference/roles.md, by the policies that the platform makes."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from pipeline.storage.minio_roles import make_role_policies
from tests.cluster.keycloak.realm import ROLES
from tests.support.role_requests.minio import ROWS, USERS_ROW, ObjectCall
from tests.support.roles_page import NO_LOGIN, NO_ROLE, read_roles

ACTIONS = {
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
}
PAGE = read_roles()["MinIO"]
POLICIES = make_role_policies({role: [role] for role in ROLES}, "")


def allows(policy: dict[str, Any], action: str, resource: str = "", prefix: str = "") -> bool:
    """Evaluate the statements of a policy that allow something."""
    for statement in policy["Statement"]:
        prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"])
        if (
            statement["Effect"] == "Allow"
            and any(fnmatchcase(action, pattern) for pattern in statement["Action"])
            and any(fnmatchcase(resource, one) for one in statement.get("Resource", ["*"]))
            and any(fnmatchcase(prefix, one) for one in prefixes)
        ):
            return True
    return False


def is_allowed(policy: dict[str, Any], call: ObjectCall) -> bool:
    """Evaluate a policy for a request."""
    resource, prefix = f"arn:aws:s3:::{call.key}", ""
    if call.method == "list_objects_v2":
        resource = f"arn:aws:s3:::{call.parameters['Bucket']}"
        prefix = call.parameters["Prefix"]
    return allows(policy, ACTIONS[call.method], resource, prefix)


@pytest.mark.parametrize("row", ROWS)
def test_the_policies_allow_what_the_page_says(row: str) -> None:
    """A role without a policy may do nothing, as a person without a role."""
    for call in ROWS[row]:
        found = {
            role: "yes" if role in POLICIES and is_allowed(POLICIES[role], call) else "403"
            for role in ROLES
        }
        assert {NO_LOGIN: "403", NO_ROLE: "403"} | found == PAGE[row], call


def test_only_administrators_administer_minio() -> None:
    """MinIO's own API is for nobody else."""
    allowed = {
        role for role in ROLES if allows(POLICIES.get(role, {"Statement": []}), "admin:ListUsers")
    }
    assert allowed == {role for role, cell in PAGE[USERS_ROW].items() if cell == "yes"}
