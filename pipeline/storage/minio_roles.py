"""The roles of people as policies of MinIO, named after the values of the claim with the roles."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import SettingsError
from pipeline.settings.connections import LakeSettings
from pipeline.storage.access import PEOPLE
from pipeline.storage.minio_users import POLICY_PREFIX, administer, read_policies
from pipeline.storage.policies import POLICY_VERSION, make_policy

ADMIN = "admin"
MARK = "StudentMlopsRole"
"""Id of a statement in each policy of this module, by which those of an earlier run are found."""
BUILT_IN = ("consoleAdmin", "diagnostics", "readonly", "readwrite", "writeonly")
"""Policies that MinIO has from its start. A person whose claim has such a name would have it."""
MAX_SESSION_SECONDS = 12 * 3600
"""How long a person may have keys; MinIO would give them for a year, if they ask for it."""
NO_LONG_SESSION = {
    "Effect": "Deny",
    "Action": ["sts:AssumeRoleWithWebIdentity"],
    "Condition": {"NumericGreaterThan": {"sts:DurationSeconds": [MAX_SESSION_SECONDS]}},
}
NO_KEYS_FOR_GOOD = {
    "Effect": "Deny",
    "Action": ["admin:CreateServiceAccount", "admin:UpdateServiceAccount"],
}
"""MinIO lets everybody create further keys, which would still be valid without the role."""
EVERYTHING = (
    {"Effect": "Allow", "Action": ["admin:*"]},
    {"Effect": "Allow", "Action": ["kms:*"]},
    {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]},
)
"""Statements of MinIO's policy `consoleAdmin`."""
NOTHING = {
    "Sid": MARK,
    "Effect": "Allow",
    "Action": ["s3:GetObject"],
    "Resource": ["arn:aws:s3:::-/-"],  # not the name of a bucket
}
"""A policy needs a statement, and one that denies would also apply to the roles of a person."""


def make_role_policies(
    roles: Mapping[str, Sequence[str]], bucket_prefix: str
) -> dict[str, dict[str, Any]]:
    """Return the policies of the people, by the values of the claim.

    MinIO gives a person the policies whose names are in the claim.

    Args:
        roles: The roles of people, each with the values of the claim that give it. Without any,
            there are no people.
        bucket_prefix: Prefix of the bucket names.

    Raises:
        SettingsError: If MinIO accepts no policy of a value's name.
    """
    if not any(roles.values()):
        return {}
    policies = {name: _make(()) for name in BUILT_IN}
    values = dict.fromkeys(value for own in roles.values() for value in own)
    for value in values:
        if "," in value or value.startswith(POLICY_PREFIX):
            raise SettingsError(
                f"the claim's value {value!r} cannot be the name of a policy in MinIO, because it "
                f"has a comma or begins with {POLICY_PREFIX!r}. Change auth.oidc.roles"
            )
        own = [role for role, given in roles.items() if value in given]
        if ADMIN in own:
            policies[value] = _make(EVERYTHING)
        elif accesses := [PEOPLE[role] for role in own if role in PEOPLE]:
            policy = make_policy(functools.reduce(operator.or_, accesses), bucket_prefix)
            policies[value] = _make([*policy["Statement"], NO_KEYS_FOR_GOOD])
    return policies


def write_role_policies(
    settings: LakeSettings, policies: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Create or replace the policies of the people, and delete those of an earlier run.

    Args:
        settings: The lake, whose endpoint is MinIO. The keys of MinIO's administrator come from
            the standard AWS variables.
        policies: All policies of the people, by name.

    Returns:
        The names of the deleted policies. MinIO creates its own ones again.

    Raises:
        LakeError: If MinIO does not respond, or refuses.
    """
    with administer(settings) as admin:
        for name, policy in policies.items():
            admin.policy_add(name, policy=dict(policy))
        present = read_policies(admin)
        former = [
            name
            for name, policy in present.items()
            if name not in policies and any(s.get("Sid") == MARK for s in policy["Statement"])
        ]
        for name in former:
            admin.policy_remove(name)
    return former


def _make(statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a policy of some statements and those that all policies of people have."""
    return {"Version": POLICY_VERSION, "Statement": [NOTHING, *statements, NO_LONG_SESSION]}
