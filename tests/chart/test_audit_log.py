"""The container in MinIO's pod that logs what MinIO refuses.

tests/cluster/test_5_minio_roles.py runs its program with a real MinIO.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.audit_log import read_lines, run_audit_log
from tests.support.helm import find, get_names, get_variables, render

SECRET = "29d7d3e2"
AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential=thief/20261127/us-east-1/s3/aws4_request, {SECRET}"


def make_event(status: int = 403, name: str = "GetObject", **fields: Any) -> dict[str, Any]:
    """Return an event with the fields that MinIO sends."""
    return {
        "version": "1",
        "time": "2026-11-27T18:56:45.997716195Z",
        "api": {"name": name, "bucket": "bronze", "object": "a/b.csv", "statusCode": status},
        "remotehost": "192.0.2.1",
        "requestQuery": {"X-Amz-Security-Token": SECRET},
        "requestHeader": {"Authorization": AUTHORIZATION, "X-Amz-Security-Token": SECRET},
        **fields,
    }


@pytest.fixture
def log(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the running program; its output is in the file `log` of the folder."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(run_audit_log(tmp_path))
        yield stack.enter_context(httpx.Client(base_url=url))


def send(client: httpx.Client, *events: Any) -> None:
    """Send events in one request, as MinIO does."""
    body = "".join(json.dumps(event) + "\n" for event in events)
    assert client.post("/", content=body).status_code == 200


def test_a_refused_request(log: httpx.Client, tmp_path: Path) -> None:
    """Its line names what was asked, by whom; it has no header, and allowed requests have none."""
    send(log, make_event(200), make_event(404), make_event(403))
    assert read_lines(tmp_path) == [
        {
            "time": "2026-11-27T18:56:45.997716195Z",
            "message": "refused",
            "status": 403,
            "access_key": "thief",
            "api": "GetObject",
            "bucket": "bronze",
            "object": "a/b.csv",
            "remote_host": "192.0.2.1",
            "more_since_the_last_line": 0,
        }
    ]
    assert SECRET not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"accessKey": "train"}, "train"),
        ({"requestHeader": {}, "requestQuery": {"X-Amz-Credential": "signed/2026"}}, "signed"),
        ({"requestHeader": None, "requestQuery": None}, ""),
        ({"accessKey": "a\nb" * 1000}, ("a\nb" * 1000)[:200]),
    ],
    ids=["known", "signed URL", "anonymous", "long"],
)
def test_the_access_key(
    log: httpx.Client, tmp_path: Path, fields: dict[str, Any], expected: str
) -> None:
    """It is the one that MinIO knows, or that the request names; no name breaks a line."""
    send(log, make_event(**fields))
    (line,) = read_lines(tmp_path)
    assert line["access_key"] == expected


def test_a_refused_token(log: httpx.Client, tmp_path: Path) -> None:
    """MinIO refuses the exchange of a token for keys with other statuses, too."""
    send(log, make_event(400, "AssumeRoleWithWebIdentity"), make_event(400, "PutObject"))
    assert [line["api"] for line in read_lines(tmp_path)] == ["AssumeRoleWithWebIdentity"]


def test_a_flood(log: httpx.Client, tmp_path: Path) -> None:
    """Equal refusals have one line per interval, and different ones no more than 20."""
    send(log, *(make_event() for _ in range(1000)))
    send(log, *(make_event(name=f"Get{number}") for number in range(1000)))
    lines = read_lines(tmp_path)
    assert len(lines) == 20
    assert lines[1]["more_since_the_last_line"] == 999


def test_a_flood_does_not_hide_a_known_key(log: httpx.Client, tmp_path: Path) -> None:
    """Neither by invented keys nor by another identity's requests."""
    send(log, *(make_event(name=f"Get{number}") for number in range(1000)))
    send(log, *(make_event(name=f"Get{number}", accessKey="drift") for number in range(1000)))
    send(log, make_event(accessKey="train"))
    assert read_lines(tmp_path)[-1]["access_key"] == "train"


def test_events_of_another_format(log: httpx.Client, tmp_path: Path) -> None:
    """They are accepted, because MinIO would send them again before all others."""
    send(log, [], {"api": "x"}, "x" * 1_000_000, make_event())
    messages = [line["message"] for line in read_lines(tmp_path)]
    assert messages == ["an event of another format was dropped", "refused"]


def test_minio_sends_its_events_to_the_container() -> None:
    """Only inside the pod; the program is not in MinIO's image, which has no Python."""
    pod = find(render(), "StatefulSet", "minio")["spec"]["template"]["spec"]
    minio, audit_log = pod["containers"]
    endpoint = get_variables(minio)["MINIO_AUDIT_WEBHOOK_ENDPOINT_refusals"]
    folder, port = audit_log["volumeMounts"][0]["mountPath"], audit_log["command"][-1]
    assert endpoint == f"http://127.0.0.1:{port}"
    assert audit_log["command"] == ["python", f"{folder}/audit_log.py", port]
    assert "audit_log.py" in find(render(), "ConfigMap", "minio-files")["data"]
    assert "/ingest:" in audit_log["image"]
    assert "envFrom" not in audit_log


def test_minio_is_reachable_without_the_container() -> None:
    """A pod one of whose containers is not ready would have no endpoint otherwise."""
    assert find(render(), "Service", "minio")["spec"]["publishNotReadyAddresses"] is True


def test_the_log_can_be_switched_off() -> None:
    """MinIO then sends no events, and the pod has one container."""
    manifests = render({"minio": {"auditLog": {"enabled": False}}})
    pod = find(manifests, "StatefulSet", "minio")["spec"]["template"]["spec"]
    (minio,) = pod["containers"]
    assert not [name for name in get_variables(minio) if "AUDIT" in name]
    assert "student-mlops-minio-files" not in get_names(manifests, "ConfigMap")
