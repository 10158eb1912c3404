"""Create Airflow's roles and local users, or update them.

Reads ADMIN_USER, and ADMIN_PASSWORD, VIEWER_PASSWORD, OPERATOR_PASSWORD and APPROVER_PASSWORD.
A user without a password cannot log in.
"""

import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.providers.fab.www.security import permissions
from webserver_config import AIRFLOW_ROLES, SecurityManager
from werkzeug.security import check_password_hash

LOCAL_DOMAIN = "@localhost"
"""End of the addresses of the users that this program manages."""

OPERATOR = {
    *SecurityManager.VIEWER_PERMISSIONS,
    (permissions.ACTION_CAN_EDIT, permissions.RESOURCE_DAG),  # also to pause it
    (permissions.ACTION_CAN_CREATE, permissions.RESOURCE_DAG_RUN),
    (permissions.ACTION_CAN_EDIT, permissions.RESOURCE_DAG_RUN),
    (permissions.ACTION_CAN_EDIT, permissions.RESOURCE_TASK_INSTANCE),
}
"""Starts, clears and stops runs. Airflow's role Op could also answer approvals and write XComs, in
which the answer is stored."""

APPROVER = {
    *SecurityManager.VIEWER_PERMISSIONS,
    (permissions.ACTION_CAN_EDIT, permissions.RESOURCE_HITL_DETAIL),
    (permissions.ACTION_CAN_ACCESS_MENU, permissions.RESOURCE_HITL_DETAIL),
    (
        permissions.ACTION_CAN_EDIT,
        permissions.resource_name("deployment", permissions.RESOURCE_DAG),
    ),
}
"""Answers approvals. The permission on the DAG, which an answer needs, also allows to pause it."""

OWN_ROLES = {AIRFLOW_ROLES["operator"]: OPERATOR, AIRFLOW_ROLES["approver"]: APPROVER}


def set_role(manager, name, pairs):
    """Create the role, or give an existing one exactly these permissions."""
    role = manager.find_role(name) or manager.add_role(name)
    for permission in list(role.permissions):
        if (permission.action.name, permission.resource.name) not in pairs:
            manager.remove_permission_from_role(role, permission)
    for action, resource in sorted(pairs):
        manager.add_permission_to_role(role, manager.create_permission(action, resource))


def set_user(manager, name, role, password):
    """Create the user, or give an existing one this role and password."""
    email = f"{name}{LOCAL_DOMAIN}"
    user = manager.find_user(username=name)
    if user is None:
        manager.add_user(name, name, "", email, manager.find_role(role), password)
        return
    user.email, user.roles, user.active = email, [manager.find_role(role)], True
    manager.update_user(user)
    if not check_password_hash(user.password or "", password):
        manager.reset_password(user.id, password)


def main():
    """Set the roles and the users, and deactivate the local users that have no password."""
    with get_application_builder() as builder:
        manager = builder.sm
        for name, pairs in OWN_ROLES.items():
            set_role(manager, name, pairs)
        names = {role: role for role in AIRFLOW_ROLES} | {"admin": os.environ["ADMIN_USER"]}
        active = set()
        for role, name in names.items():
            if password := os.environ.get(f"{role.upper()}_PASSWORD"):
                set_user(manager, name, AIRFLOW_ROLES[role], password)
                active.add(f"{name}{LOCAL_DOMAIN}")
                print(f"users: {name} may log in as {AIRFLOW_ROLES[role]}")
        for user in manager.get_all_users():
            if user.email.endswith(LOCAL_DOMAIN) and user.email not in active and user.active:
                user.active = False
                manager.update_user(user)
                print(f"users: {user.username} can no longer log in")


if __name__ == "__main__":
    main()
