"""Requests to MLflow.

`{model}` is the name of the registered model and of its experiment, `{experiment}` the experiment's
id, `{version}` the version in production, and `{run}` the id of its run, which has artifacts.
"""

from __future__ import annotations

from tests.support.role_requests import Call, Rows

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
UNKNOWN_VERSION = {"name": "{model}", "version": "1000000"}
NOBODY = {"username": "nobody"}

ROWS: Rows = {
    "find the experiment": (
        Call(
            "POST",
            f"{API}/experiments/search",
            {"max_results": 100, "filter": "name = '{model}'"},
            contains='"{experiment}"',
        ),
    ),
    "read the registered model": (Call("GET", f"{API}/registered-models/get?name={{model}}"),),
    "list and download the artifacts of a run": (
        Call("GET", f"{API}/artifacts/list?run_id={{run}}"),
        Call("GET", f"{ARTIFACTS}?path={{experiment}}/{{run}}/artifacts"),
        Call("GET", f"{ARTIFACTS}/{{experiment}}/{{run}}/artifacts/serving/manifest.json"),
    ),
    "tag the experiment": (
        Call(
            "POST",
            f"{API}/experiments/set-experiment-tag",
            {"experiment_id": "{experiment}", "key": "term", "value": "spring"},
        ),
    ),
    "create an experiment": (
        Call("POST", f"{API}/experiments/create", {"name": "{model}"}, allowed=(400,)),  # it exists
    ),
    "upload an artifact to a run": (
        Call("PUT", f"{ARTIFACTS}/{{experiment}}/{{run}}/artifacts/term.txt", "spring"),
    ),
    "delete or restore a run": (
        # MLflow checks the same permission for both. The run is not deleted, so it stays as it is.
        Call("POST", f"{API}/runs/restore", {"run_id": "{run}"}),
    ),
    "delete or restore the experiment": (
        Call(
            "POST",
            f"{API}/experiments/restore",  # as above
            {"experiment_id": "{experiment}"},
            allowed=(404,),
        ),
    ),
    "move the alias `production`": (
        Call(
            "POST",
            f"{API}/registered-models/alias",
            {"name": "{model}", "alias": "production", "version": "{version}"},
        ),
    ),
    "delete an alias": (
        Call("DELETE", f"{API}/registered-models/alias", {"name": "{model}", "alias": "unknown"}),
    ),
    "tag or delete a version": (
        Call(
            "POST",
            f"{API}/model-versions/set-tag",
            {**UNKNOWN_VERSION, "key": "term", "value": "spring"},
            allowed=(404,),
        ),
        Call("DELETE", f"{API}/model-versions/delete", UNKNOWN_VERSION, allowed=(404,)),
    ),
    "list the users": (Call("GET", f"{API}/users/list"),),
    "create a user": (
        Call("POST", f"{API}/users/create", {"username": "", "password": ""}, allowed=(400,)),
    ),
    "delete a user": (Call("DELETE", f"{API}/users/delete", NOBODY, allowed=(404,)),),
    "change a password": (
        Call(
            "PATCH",
            f"{API}/users/update-password",
            {**NOBODY, "password": "a password of mine"},
            allowed=(404,),
        ),
    ),
    "make a user an administrator": (
        Call("PATCH", f"{API}/users/update-admin", {**NOBODY, "is_admin": True}, allowed=(404,)),
    ),
    "create an endpoint of the gateway": (
        Call("POST", "/api/3.0/mlflow/gateway/endpoints/create", {}, allowed=(400,)),
    ),
}
