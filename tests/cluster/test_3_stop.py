"""A person stops and resumes the answers in Airflow."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from k8s.airflow import AirflowClient, DagRun
from k8s.process import ClusterError
from k8s.release import RELEASE
from pipeline.storage.layout import STOP_MARKER
from pipeline.tracking.promotion_log import read_records
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.by_hand import run_by_hand
from tests.cluster.platform import STUDENT, Platform

REASON = "it's $(AWS_SECRET_ACCESS_KEY) --wrong"
"""The kubelet would replace the middle by a key of the pod."""
PREDICT = """
import sys, urllib.error, urllib.request
headers = {"Content-Type": "application/json"}
request = urllib.request.Request("http://127.0.0.1:8000/predict", sys.argv[1].encode(), headers)
try:
    response = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as error:
    response = error
print(response.status, response.read().decode())
"""


def log_in(platform: Platform, user: str) -> contextlib.closing[AirflowClient]:
    """A client of Airflow's API with the login of a local user."""
    password = platform.cluster.read_secret(f"{RELEASE}-airflow")[f"{user}-password"]
    return contextlib.closing(AirflowClient(platform.airflow.url, user, password))


def predict_in_all_pods(platform: Platform) -> list[tuple[int, dict[str, object]]]:
    """The status and the body of each predictor's response."""
    command = ("python", "-c", PREDICT, json.dumps(STUDENT))
    responses = []
    for pod in platform.cluster.list_pods("predictor"):
        name = pod["metadata"]["name"]
        output = platform.cluster.kubectl("exec", name, "-c", "predictor", "--", *command)
        status, _, body = output.partition(" ")
        responses.append((int(status), json.loads(body)))
    assert responses
    return responses


@pytest.fixture
def answering(platform: Platform, first: DagRun) -> Iterator[Platform]:
    """The platform, whose predictors answer again afterwards."""
    yield platform
    if platform.lake.exists(STOP_MARKER):
        run_by_hand(platform.cluster, "resume", "--reason", "the test has failed")


def test_an_operator_stops_and_resumes_the_answers(answering: Platform) -> None:
    """Every pod gives the operator's reason; a viewer, and a run without a reason, stop nothing."""
    platform = answering
    with log_in(platform, "viewer") as viewer, pytest.raises(ClusterError, match="403"):
        viewer.trigger("stop", make_run_id("viewer"), reason=REASON)
    with log_in(platform, "operator") as operator:
        with pytest.raises(ClusterError, match="400"):
            operator.trigger("stop", make_run_id("silent"))
        for status, _ in predict_in_all_pods(platform):
            assert status == 200

        run = operator.trigger("stop", make_run_id("stop"), reason=REASON)
        assert wait_for_run(operator, "stop", run.run_id).state == "success"
        for status, body in predict_in_all_pods(platform):
            assert status == 503
            assert body["stopped"] | {"at": ""} == {"by": "operator", "at": "", "reason": REASON}  # type: ignore[operator]

        run = operator.trigger("resume", make_run_id("resume"), reason="fixed")
        assert wait_for_run(operator, "resume", run.run_id).state == "success"
    for status, _ in predict_in_all_pods(platform):
        assert status == 200
    newest = [(one.action, one.move.reason) for one in read_records(platform.lake)[-2:]]
    assert newest == [("stop", f"{REASON} (operator)"), ("resume", "fixed (operator)")]
