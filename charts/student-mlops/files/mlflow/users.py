"""Create MLflow's users, or update them: users.py FOLDER.

FOLDER/USER/MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are the login of each user of
GRANTS. The users are stored in the database that MLflow's auth configuration names.
"""

import sys
from pathlib import Path

from mlflow.server.auth import auth_config, store

ADMIN = "admin"
GRANTS = {
    ADMIN: {},  # needs none
    "trainer": {"experiment": "EDIT", "run": "MANAGE"},  # deletes runs of interrupted trainings
    "deployer": {"experiment": "EDIT", "registered_model": "MANAGE"},  # MANAGE: deletes aliases
    "cleaner": {"experiment": "MANAGE", "run": "MANAGE", "registered_model": "MANAGE"},
    "reader": {},  # the default permission is READ
}
"""What each user may do with all resources of a type, beyond the default permission."""


def read_login(folder):
    """Return the name and the password in a user's folder."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    return [(folder / name).read_text().strip() for name in names]


def ensure_user(name, password, is_admin):
    """Create the user, or give an existing one this password."""
    if not store.has_user(name):
        store.create_user(name, password, is_admin)
    elif not store.authenticate_user(name, password):
        store.update_user(name, password=password)
    store.update_user(name, is_admin=is_admin)


def main(folder):
    """Create or update every user."""
    store.init_db(auth_config.database_uri)
    for user, grants in GRANTS.items():
        name, password = read_login(folder / user)
        ensure_user(name, password, user == ADMIN)
        for resource, permission in grants.items():
            store.grant_user_permission(name, resource, "*", permission)
        print(f"users: {name} may log in as {user}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
